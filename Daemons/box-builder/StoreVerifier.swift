package import Interfaces
import ServiceModel
import SharedCrypto
import Syscalls

/// Compares the store with what it must be: every content with its name, every image with what was
/// written, every checkout with its box, the index with itself, and looks for what nobody needs.
///
/// Keeps true: it changes nothing; what an import or a removal does meanwhile is no finding; it works
/// in steps that end soon, so that its caller can go, and holds no more than one step needs.
package struct StoreVerifier: Sendable {
    // LIMIT: bytes read and names looked at in one step: a tenth of a second of a disk.
    private static let stepBytes: UInt64 = 64 << 20
    private static let stepNames = 1_000
    // LIMIT: rows of the index held at once.
    private static let pageRows = 512
    // LIMIT: paths looked up; each can mean reading the tree of a box. Past it boxes are told alone.
    private static let pathsMax = 500
    static let bufferBytes = 262_144

    private enum Phase {
        case index, objects, boxes, leftovers, doubts, over
    }

    private let store: ObjectStore
    let index: BoxIndex
    /// nil for all.
    private let box: ServiceID?
    private var phase = Phase.index
    private var findings: [StoreFinding] = []

    private var page: ArraySlice<(digest: ContentDigest, bytes: UInt64)> = []
    private var lastObject: ContentDigest?
    private var reading: Reading?
    private var lastBox: ServiceID?
    private var leftovers = LeftoverSearch()

    /// The box that was last asked for a path.
    private var tree: (box: ServiceID, tree: FileTree)?
    private var pathsLeft = Self.pathsMax

    private var boxes: UInt64 = 0
    private var found: UInt64 = 0
    private(set) package var progress = VerifyProgress()

    /// - Parameter text: how the caller names a box; empty for all.
    package init(_ store: ObjectStore, _ index: BoxIndex, box text: String) throws(Fault) {
        self.store = store
        self.index = index
        box = text.isEmpty ? nil : try index.find(text).0.id
    }

    package var isOver: Bool { phase == .over }

    package var summary: VerifySummary {
        var summary = VerifySummary()
        summary.boxes = boxes
        summary.objects = progress.objects
        summary.bytes = progress.bytes
        summary.findings = found
        return summary
    }

    /// Does a part of the work.
    ///
    /// - Returns: what is wrong, as far as this part shows.
    package mutating func step() throws(Fault) -> [StoreFinding] {
        findings = []
        switch phase {
        case .index:
            phase = try checkIndex() ? .objects : .over
            if phase == .objects { progress.objectsTotal = try index.objectCount(of: box) }
        case .objects:
            if try !readObjects() { phase = .boxes }
        case .boxes:
            if try !checkBoxes() { phase = box == nil ? .leftovers : .over }
        case .leftovers:
            if try !leftovers.step(store, index) { phase = .doubts }
        case .doubts:
            findings = try leftovers.confirmed(store, index)
            phase = .over
        case .over: break
        }
        found += UInt64(findings.count)
        return findings
    }

    /// - Returns: whether what the index says can be gone by.
    private mutating func checkIndex() throws(Fault) -> Bool {
        let complaints: [String]
        do throws(Fault) {
            complaints = try index.damage()
        } catch {
            guard error.code == .corrupt else { throw error }
            complaints = ["it cannot be read"]
        }
        for complaint in complaints {
            findings.append(StoreFinding(.indexDamaged, "index.sqlite: \(complaint)"))
        }
        guard complaints.isEmpty else { return false }
        for (box, row) in try index.alteredRows(of: box) {
            var finding = StoreFinding(.indexDamaged, "index.sqlite: \(row)")
            finding.places = [FindingPlace(box)]
            finding.boxes = 1
            findings.append(finding)
        }
        return true
    }

    // MARK: Contents

    /// A content that is being read.
    private struct Reading {
        let digest: ContentDigest
        let file: SharedDescriptor
        var hash = SHA256()
    }

    /// - Returns: false when there are no more.
    private mutating func readObjects() throws(Fault) -> Bool {
        let end = progress.bytes + Self.stepBytes
        var names = 0
        var buffer = [UInt8](repeating: 0, count: Self.bufferBytes)
        while progress.bytes < end, names < Self.stepNames {
            if reading != nil {
                try read(until: end, &buffer)
                continue
            }
            if page.isEmpty {
                page = try index.objects(of: box, after: lastObject, max: Self.pageRows)[...]
                guard !page.isEmpty else { return false }
            }
            let (digest, bytes) = page.removeFirst()
            lastObject = digest
            names += 1
            try open(digest, bytes)
        }
        return true
    }

    private mutating func open(_ digest: ContentDigest, _ bytes: UInt64) throws(Fault) {
        var finding = StoreFinding(.objectAltered, "objects/\(digest.objectPath)")
        do throws(Errno) {
            let file = try store.openObject(digest)
            finding.actualLength = try File.status(file).sizeBytes
            if finding.actualLength == bytes {
                reading = Reading(digest: digest, file: SharedDescriptor(file))
                return
            }
            finding.length = bytes
        } catch {
            finding.kind = error == .noEntry ? .objectMissing : .unreadable
        }
        progress.objects += 1
        try tell(finding, of: digest)
    }

    private mutating func read(until end: UInt64, _ buffer: inout [UInt8]) throws(Fault) {
        guard var now = reading else { return }
        var isOver = false
        do throws(Errno) {
            while progress.bytes < end {
                let count = try File.read(now.file.descriptor, into: &buffer)
                if count == 0 {
                    isOver = true
                    break
                }
                progress.bytes += UInt64(count)
                // SAFETY: bytes have no padding; they are read during the call.
                unsafe buffer.span.extracting(0..<count).bytes.withUnsafeBytes {
                    unsafe now.hash.update(bufferPointer: $0)
                }
            }
        } catch {
            reading = nil
            progress.objects += 1
            return try tell(
                StoreFinding(.unreadable, "objects/\(now.digest.objectPath)"), of: now.digest)
        }
        reading = isOver ? nil : now
        guard isOver else { return }
        progress.objects += 1
        if ContentDigest(now.hash) != now.digest {
            try tell(
                StoreFinding(.objectAltered, "objects/\(now.digest.objectPath)"), of: now.digest)
        }
    }

    /// Tells of a content, unless no box needs it any more.
    private mutating func tell(
        _ finding: StoreFinding, of digest: ContentDigest
    ) throws(Fault) {
        let (boxes, count) = try index.boxes(needing: digest, max: StoreFinding.placesMax)
        guard count > 0 else { return }
        store.distrust(digest)
        var finding = finding
        for box in boxes { finding.places.append(FindingPlace(box, try path(of: digest, in: box))) }
        finding.boxes = count
        findings.append(finding)
    }

    /// Where in a box a content stands; empty for what is in no file, and where nobody can say.
    private mutating func path(
        of digest: ContentDigest, in box: ServiceID
    ) throws(Fault) -> String {
        guard pathsLeft > 0 else { return "" }
        pathsLeft -= 1
        if tree?.box != box {
            guard let record = try? index.find(box.description).0,
                let read = try? StoredForm.tree(of: record, in: store)
            else { return "" }
            tree = (box, read)
        }
        return tree?.tree.firstPath(of: digest) ?? ""
    }

    // MARK: Boxes

    /// - Returns: false when there are no more.
    private mutating func checkBoxes() throws(Fault) -> Bool {
        if let box {
            try check(try index.find(box.description).0)
            return false
        }
        guard let record = try index.boxes(after: lastBox, max: 1).first else { return false }
        lastBox = record.id
        try check(record)
        return true
    }

    private mutating func check(_ record: BoxRecord) throws(Fault) {
        boxes += 1
        let check = BoxCheck(store: store, record: record)
        let (found, bytes) = try check.run()
        progress.bytes += bytes
        // A box that was removed meanwhile has no image, and needs none.
        if found.isEmpty { return }
        if try index.has(record.id) { findings += found }
    }
}

extension StoreFinding {
    // LIMIT: places told of one finding; more do not help, and it must fit a frame with long paths.
    package static let placesMax = 8

    init(_ kind: FindingKind, _ name: String) {
        self.init()
        self.kind = kind
        self.name = name
    }
}

extension FindingPlace {
    init(_ box: ServiceID, _ path: String = "") {
        self.init()
        serviceIDBytes = box.bytes
        self.path = path
    }
}

extension FileTree {
    /// The path of the first file with a content.
    fileprivate func firstPath(of digest: ContentDigest) -> String? {
        Self.firstPath(of: digest, entries, "")
    }

    private static func firstPath(
        of digest: ContentDigest, _ entries: [TreeEntry], _ path: String
    ) -> String? {
        for entry in entries {
            let own = "\(path)/\(entry.name)"
            switch entry.content {
            case .file(digest, _): return own
            case .directory(let below):
                if let found = firstPath(of: digest, below, own) { return found }
            case .file, .link: continue
            }
        }
        return nil
    }
}
