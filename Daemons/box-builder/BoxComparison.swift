package import Interfaces
import ServiceModel

/// In what two boxes differ, on a worker thread: their trees entry by entry, then their specifications
/// field by field.
package struct BoxComparison {
    private let left: BoxRecord
    private let right: BoxRecord
    private let store: ObjectStore

    // LIMIT: differences that are told. Boxes that differ in more have little in common; each is held
    // until it is sent. Past it LIMIT_REACHED, after those that were found.
    static let differencesMax = 50_000

    package init(_ left: BoxRecord, _ right: BoxRecord, in store: ObjectStore) {
        self.left = left
        self.right = right
        self.store = store
    }

    package func differences() throws(Fault) -> [BoxDifference] {
        var found = Found()
        let one = try StoredForm.tree(of: left, in: store)
        let other = try StoredForm.tree(of: right, in: store)
        found.compare(one.attributes, other.attributes, "/")
        found.compare(one.isReadOnly, other.isReadOnly)
        found.compare(one.entries, other.entries, "")
        do throws(ProtoError) {
            found.compare(
                try SpecificationFields.fields(of: left.service),
                try SpecificationFields.fields(of: right.service))
        } catch {
            throw Fault(.corrupt, subject: "index")
        }
        if found.differences.isEmpty, left.id != right.id {
            // Others may write fields in another order, or fields that nobody here knows in the tree.
            found.add(
                .changed, "canonical form", isField: true, "\(left.id)", "\(right.id)")
        }
        return found.differences
    }

    private struct Found {
        var differences: [BoxDifference] = []

        // LIMIT: bytes of a path and of a value that are told: a page of them fits a message.
        private static let pathBytesMax = 4_096
        private static let valueBytesMax = 512

        mutating func add(
            _ kind: DifferenceKind, _ path: String, attribute: String = "", isField: Bool = false,
            _ left: String = "", _ right: String = ""
        ) {
            guard differences.count <= BoxComparison.differencesMax else { return }
            var difference = BoxDifference()
            difference.kind = kind
            difference.isField = isField
            difference.path = path.cut(toBytes: Self.pathBytesMax)
            difference.attribute = attribute
            difference.left = left.cut(toBytes: Self.valueBytesMax)
            difference.right = right.cut(toBytes: Self.valueBytesMax)
            differences.append(difference)
        }

        // MARK: Trees

        mutating func compare(_ left: [TreeEntry], _ right: [TreeEntry], _ path: String) {
            var left = left[...]
            var right = right[...]
            while let one = left.first, let other = right.first {
                if one.name.utf8.elementsEqual(other.name.utf8) {
                    compare(one, other, "\(path)/\(one.name)")
                    left.removeFirst()
                    right.removeFirst()
                } else if one.name.utf8.lexicographicallyPrecedes(other.name.utf8) {
                    alone(.removed, left.removeFirst(), path)
                } else {
                    alone(.added, right.removeFirst(), path)
                }
            }
            for entry in left { alone(.removed, entry, path) }
            for entry in right { alone(.added, entry, path) }
        }

        /// An entry of one side, and all below it.
        private mutating func alone(_ kind: DifferenceKind, _ entry: TreeEntry, _ path: String) {
            let own = "\(path)/\(entry.name)"
            let text = Self.summary(entry)
            add(kind, own, kind == .removed ? text : "", kind == .added ? text : "")
            guard case .directory(let below) = entry.content else { return }
            for entry in below { alone(kind, entry, own) }
        }

        private mutating func compare(_ left: TreeEntry, _ right: TreeEntry, _ path: String) {
            compare(left.attributes, right.attributes, path)
            changed(
                path, "link", left.linkText ?? Self.target(left),
                right.linkText ?? Self.target(right))
            compare(left.extended, right.extended, path)
            changed(path, "shared", Self.text(left.share), Self.text(right.share))
            switch (left.content, right.content) {
            case (.file(let one, let oneBytes), .file(let other, let otherBytes)):
                changed(path, "size", "\(oneBytes)", "\(otherBytes)")
                changed(path, "digest", one.hex, other.hex)
            case (.directory(let one), .directory(let other)):
                compare(one, other, path)
            case (.link, .link): break
            default:
                changed(path, "kind", Self.kind(left), Self.kind(right))
                if case .directory(let below) = left.content {
                    for entry in below { alone(.removed, entry, path) }
                }
                if case .directory(let below) = right.content {
                    for entry in below { alone(.added, entry, path) }
                }
            }
        }

        private static func text(_ share: DirectoryShare?) -> String {
            guard let share else { return "" }
            let words = [
                share.role.rawValue, share.access?.rawValue ?? "", share.tag, share.variable,
            ]
            return words.filter { !$0.isEmpty }.joined(separator: " ")
        }

        /// Whether the trees are read-only.
        mutating func compare(_ left: Bool, _ right: Bool) {
            changed("/", "read_mode", left ? "ro" : "", right ? "ro" : "")
        }

        mutating func compare(_ left: FileAttributes, _ right: FileAttributes, _ path: String) {
            changed(path, "mode", Self.octal(left.mode), Self.octal(right.mode))
            changed(path, "owner", "\(left.uid):\(left.gid)", "\(right.uid):\(right.gid)")
            changed(
                path, "time", "\(left.modifiedNanoseconds)", "\(right.modifiedNanoseconds)")
        }

        private mutating func compare(
            _ left: [ExtendedAttribute], _ right: [ExtendedAttribute], _ path: String
        ) {
            let one = TextMap(left.map { ($0.name, $0.value) })
            let other = TextMap(right.map { ($0.name, $0.value) })
            for name in Set((one.keys + other.keys).map { ExactText($0) }).sorted().map(\.text) {
                changed(
                    path, "xattr:\(name)", one[name].map { Hexadecimal.text($0) } ?? "",
                    other[name].map { Hexadecimal.text($0) } ?? "",
                    kind: one[name] == nil ? .added : other[name] == nil ? .removed : .changed)
            }
        }

        private mutating func changed(
            _ path: String, _ attribute: String, _ left: String, _ right: String,
            kind: DifferenceKind = .changed
        ) {
            guard !left.utf8.elementsEqual(right.utf8) || kind != .changed else { return }
            add(kind, path, attribute: attribute, left, right)
        }

        // MARK: Specifications

        mutating func compare(
            _ left: [SpecificationFields.Field], _ right: [SpecificationFields.Field]
        ) {
            let one = TextMap(left.map { ($0.path, $0.value) })
            let other = TextMap(right.map { ($0.path, $0.value) })
            var told: Set<ExactText> = []
            for field in left + right where told.insert(ExactText(field.path)).inserted {
                switch (one[field.path], other[field.path]) {
                case (let value?, nil): add(.removed, field.path, isField: true, value, "")
                case (nil, let value?): add(.added, field.path, isField: true, "", value)
                case (let value?, let second?) where !value.utf8.elementsEqual(second.utf8):
                    add(.changed, field.path, isField: true, value, second)
                default: continue
                }
            }
        }

        // MARK: Words

        private static func octal(_ mode: UInt32) -> String { "0" + String(mode, radix: 8) }

        private static func target(_ entry: TreeEntry) -> String {
            guard case .link(let target) = entry.content else { return "" }
            return target
        }

        private static func kind(_ entry: TreeEntry) -> String {
            switch entry.content {
            case .file: "file"
            case .link: "link"
            case .directory: "directory"
            }
        }

        private static func summary(_ entry: TreeEntry) -> String {
            switch entry.content {
            case .file(let digest, let bytes): "file \(bytes) \(digest.hex)"
            case .link(let target): "link \(entry.linkText ?? target)"
            case .directory: "directory"
            }
        }
    }
}
