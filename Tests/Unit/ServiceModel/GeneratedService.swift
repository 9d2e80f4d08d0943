// Services and trees from a seed, with everything the model can say.

import ServiceModel
import SharedCrypto

/// SplitMix64: the same for the same seed everywhere.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

struct GeneratedService {
    var service = Service()
    var tree = FileTree()
    var contents: [ContentDigest: [UInt8]] = [:]
    private var chance: SeededGenerator

    init(seed: UInt64, depth: Int = 4) {
        chance = SeededGenerator(state: seed)
        service = makeService()
        tree = FileTree(entries: makeEntries(in: [], depth: depth))
        if chance.next() % 4 == 0 {
            tree.attributes = FileAttributes(mode: 0o040700, uid: 3, modifiedNanoseconds: 7)
        }
        tree.isReadOnly = chance.next() % 4 == 0
    }

    /// The expanded canonical bytes.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        CanonicalForm.emit(
            service, tree,
            literal: { piece in
                // SAFETY: the bytes are copied during the call.
                unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
            }, content: { digest, _ in bytes += contents[digest] ?? [] })
        return bytes
    }

    static func digest(of content: [UInt8]) -> ContentDigest {
        guard let digest = ContentDigest(Array(SHA256.hash(data: content))) else {
            preconditionFailure("32 bytes are a digest")
        }
        return digest
    }

    private mutating func number(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &chance)
    }

    private mutating func text() -> String {
        let parts = [
            "a", "Z", "\u{E9}", "e\u{301}", "\u{1F600}", "\"", "\\", "\n", "\u{1}", " ", "/",
        ]
        return (0..<number(0...6)).map { _ in parts.randomElement(using: &chance) ?? "" }.joined()
    }

    private mutating func blob() -> [UInt8] {
        (0..<number(0...40)).map { _ in UInt8.random(in: .min ... .max, using: &chance) }
    }

    private mutating func several<T>(_ make: (inout Self) -> T) -> [T] {
        let count = number(0...3)
        return (0..<count).map { _ in make(&self) }
    }

    private mutating func maybe<T>(_ make: (inout Self) -> T) -> T? {
        number(0...1) == 0 ? nil : make(&self)
    }

    private mutating func definition() -> Definition {
        Definition(tags: several { $0.text() }, prose: text(), formal: blob())
    }

    private mutating func map<T>(_ make: (inout Self) -> T) -> TextMap<T> {
        var map = TextMap<T>()
        let count = number(0...3)
        for _ in 0..<count { map[text()] = make(&self) }
        return map
    }

    private mutating func limits() -> Sysresources {
        Sysresources(
            blkioWeight: maybe { $0.chance.next() >> 1 }, cpuPeriod: maybe { _ in 0 },
            cpuQuota: maybe { UInt64($0.number(0...1_000_000)) },
            memLimit: maybe { _ in UInt64.max }, diskSpace: maybe { UInt64($0.number(0...99)) })
    }

    private mutating func contract() -> Contract {
        var contract = Contract()
        contract.ledger = maybe { $0.definition() }
        contract.xattrs = map { $0.blob() }
        return contract
    }

    private mutating func makeService() -> Service {
        var service = Service()
        service.prose = text()
        service.container.architecture = definition()
        service.container.initial = EntryPoint(
            entryPath: several { $0.text() }, xattrs: map { $0.blob() })
        service.container.resources = maybe { own in
            Resources(atInit: own.limits(), atMost: own.limits())
        }
        service.container.configDeclaration = maybe { own in
            ConfigDeclaration(
                path: own.several { $0.text() }, format: own.maybe { $0.definition() })
        }
        service.container.nodeProtocolStack = several { $0.definition() }
        service.container.environmentVariables = map { $0.definition() }
        service.api.slots = several { own in
            Slot(
                port: UInt32(own.number(0...65_535)), transport: own.definition(),
                protocolStack: own.several { $0.definition() },
                muPerCall: own.map { Amount(n: String($0.number(0...1_000_000))) })
        }
        service.api.paymentContracts = several { own in
            var rate = ContractRate()
            rate.contract = own.maybe { $0.contract() }
            rate.muPerUnit = own.maybe { Amount(n: $0.text()) }
            return rate
        }
        service.networks = several { own in
            var network = Network()
            network.definition = own.definition()
            network.protocolStack = own.several { $0.definition() }
            network.environmentVariable = own.text()
            return network
        }
        service.possibleEnvironmentWorkload = several { own in
            WorkloadScenario(workloads: own.several { $0.workload() })
        }
        return service
    }

    private mutating func workload() -> Workload {
        var workload = Workload()
        workload.count = UInt32(number(0...9))
        workload.resources = maybe { $0.limits() }
        workload.dependency = maybe { own in
            var dependency = Dependency()
            dependency.hashes = [Hash(.sha3, value: own.blob())]
            dependency.service = own.maybe { $0.part().encoded() }
            dependency.isCompleted = own.number(0...1) == 1
            dependency.onFilesystem = own.number(0...1) == 1
            return dependency
        }
        return workload
    }

    /// A service in part, with members that JSON has in another order than protobuf.
    private mutating func part() -> Service {
        var part = Service()
        part.prose = text()
        part.container.environmentVariables = [
            "\u{FEFF}": definition(), "\u{1F600}": definition(),
        ]
        part.api.slots = [
            Slot(port: 80, transport: definition(), protocolStack: [], muPerCall: [:])
        ]
        return part
    }

    private mutating func makeEntries(in path: [String], depth: Int) -> [TreeEntry] {
        (0..<number(0...6)).map { index in
            let letter = ["a", "\u{E9}", "e\u{301}", "-"].randomElement(using: &chance) ?? "a"
            return makeEntry(
                String(repeating: letter, count: number(1...60)) + "\(index)", in: path, depth)
        }.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private mutating func makeEntry(
        _ name: String, in path: [String], _ depth: Int
    ) -> TreeEntry {
        func attributes(_ mode: UInt32) -> FileAttributes {
            FileAttributes(
                mode: mode, uid: UInt32(number(0...1) * 1_000), gid: 0,
                modifiedNanoseconds: UInt64(number(0...1)) * 1_700_000_000_000_000_001)
        }
        var entry: TreeEntry
        switch number(0...(depth > 0 ? 3 : 1)) {
        case 0:
            let text = ["/a/b", "../x", "y/./z", "a/../../.."].randomElement(using: &chance) ?? "/"
            let target = FileTree.resolve(text, in: path)
            entry = TreeEntry(
                name: name, attributes: attributes(0o120777), content: .link(target: target),
                linkText: text == target ? nil : text)
        case 1:
            let count = [0, 1, 2, 127, 128, 5_000].randomElement(using: &chance) ?? 0
            let content = (0..<count).map { _ in UInt8(truncatingIfNeeded: chance.next()) }
            let digest = Self.digest(of: content)
            contents[digest] = content
            entry = TreeEntry(
                name: name, attributes: attributes(0o100644),
                content: .file(digest, bytes: UInt64(count)))
        default:
            entry = TreeEntry(
                name: name, attributes: attributes(0o040755),
                content: .directory(makeEntries(in: path + [name], depth: depth - 1)))
        }
        if number(0...7) == 0 {
            entry.extended = [
                ExtendedAttribute(name: "user.z", value: blob()),
                ExtendedAttribute(name: "user.\u{301}", value: blob()),
            ]
        }
        // Below the root only: none of them lies in another.
        if path.isEmpty, case .directory = entry.content, number(0...2) == 0 {
            entry.share = DirectoryShare(
                role: number(0...1) == 0 ? .offered : .inherited,
                access: [nil, .readOnly, .readWrite].randomElement(using: &chance) ?? nil,
                variable: number(0...3) == 0 ? "SET" : "")
        }
        return entry
    }
}
