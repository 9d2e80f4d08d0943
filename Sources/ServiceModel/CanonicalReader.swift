/// Reads the expanded proto3 bytes of a service in runs of any size, without holding a content.
///
/// Keeps true: every byte that is fed comes out once, in order, in a `literal` or a `content`; what
/// is held is the tree and the service, within their bounds; the tree it gives is one that the
/// importer of a directory could have made. Refuses lengths past the end, names that are no names,
/// a name twice in a directory, and everything else in `CanonicalError`.
///
/// Order and unknown fields: an id is computed over bytes as they were received, so branches in any
/// order and fields nobody here knows are accepted. They are in the literals and not in the values:
/// whoever must give the same bytes back keeps the literals, and whoever writes the values in
/// another codec first compares `CanonicalForm.emit` of them with what was received. A field that
/// replaces an earlier one (`container`, `filesystem`, the name or the item of a branch twice) is
/// refused: the earlier one's contents would be stored and be in no tree. The `dst` of a link says
/// again where it stands, and is not looked at.
package struct CanonicalReader {
    package enum Event {
        /// Bytes that belong to no content.
        case literal(ArraySlice<UInt8>)
        /// A content that is not empty starts.
        ///
        /// `lengthPositions` are the offsets of the lengths around it, outermost first; the last
        /// is that of its own length.
        case contentBegins(bytes: UInt64, lengthPositions: [UInt64])
        case content(ArraySlice<UInt8>)
        /// `setContent` must be called before `next`.
        case contentEnds
    }

    /// What the outermost message is.
    package enum Root: Sendable {
        case service, filesystem
    }

    enum State {
        case tag
        /// A number that is not read.
        case number
        case length(field: UInt64)
        case skipped(UInt64)
        case held(field: UInt64, UInt64)
        case content(bytes: UInt64, left: UInt64)
        case contentEnded(bytes: UInt64)
    }

    struct Frame {
        enum Kind { case service, container, directory, branch }
        let kind: Kind
        /// The offset behind its last byte; of the outermost, the highest there is.
        let end: UInt64
        /// The offset of its length.
        let lengthPosition: UInt64
        /// The field that holds more frames was there.
        var hasInner = false
    }

    /// Bytes that were fed or skipped.
    package private(set) var offset: UInt64 = 0
    var frames: [Frame]
    var state = State.tag
    /// Where the tag of the field that is being read stands.
    private var fieldOffset: UInt64 = 0
    /// Where its length stands.
    private var lengthPosition: UInt64 = 0
    private var varint: UInt64 = 0
    private var varintBits: UInt64 = 0
    private var pending: Event?
    var held: [UInt8] = []
    var service = Service()
    var container = Container()
    var tree: CanonicalTreeBuilder
    private var heldTotal: UInt64 = 0
    private var budget = FieldBudget(Service.fieldsMax)
    private var unknownTotal: UInt64 = 0

    // LIMIT: bytes of fields that nobody here knows, all together: room for what later revisions
    // add, none for storing something else under the name of a service.
    package static let unknownBytesMax = UInt64(ProtoField.messageBytesMax)

    package init(_ root: Root = .service) {
        frames = [Frame(kind: .service, end: .max, lengthPosition: 0)]
        tree = CanonicalTreeBuilder()
        if root == .filesystem {
            frames = [Frame(kind: .directory, end: .max, lengthPosition: 0)]
            tree.open()
        }
    }

    /// Takes bytes off the front of a run; nil when the run is used up.
    package mutating func next(
        _ rest: inout ArraySlice<UInt8>
    ) throws(CanonicalError) -> Event? {
        if let event = pending {
            pending = nil
            return event
        }
        if case .content(let bytes, let left) = state {
            guard !rest.isEmpty else { return nil }
            let part = rest.prefix(Int(min(left, UInt64(rest.count))))
            rest = rest.dropFirst(part.count)
            offset += UInt64(part.count)
            let after = left - UInt64(part.count)
            state = after == 0 ? .contentEnded(bytes: bytes) : .content(bytes: bytes, left: after)
            if after == 0 { pending = .contentEnds }
            return .content(part)
        }
        if case .contentEnded = state { throw error(.incomplete) }
        let run = rest
        while !rest.isEmpty, pending == nil { try step(&rest) }
        let taken = run.prefix(run.count - rest.count)
        guard taken.isEmpty else { return .literal(taken) }
        defer { pending = nil }
        return pending
    }

    /// Names the content that ended.
    package mutating func setContent(_ digest: ContentDigest) throws(CanonicalError) {
        guard case .contentEnded(let bytes) = state else { throw error(.incomplete) }
        tree.setFile(digest, bytes: bytes)
        try endField()
    }

    /// Names the content that begins, of which no byte is fed.
    package mutating func skipContent(_ digest: ContentDigest) throws(CanonicalError) {
        guard case .content(let bytes, let left) = state, left == bytes, pending == nil else {
            throw error(.incomplete)
        }
        offset += bytes
        tree.setFile(digest, bytes: bytes)
        try endField()
    }

    /// The bytes so far are whole: no message and no field is open.
    package var isBetweenFields: Bool {
        guard case .tag = state else { return false }
        return frames.count == 1 && varintBits == 0
    }

    /// There is no more.
    ///
    /// - Returns: the service, the tree, and the bytes of the whole form.
    package mutating func finish() throws(CanonicalError) -> (
        service: Service, tree: FileTree, bytes: UInt64
    ) {
        guard isBetweenFields else { throw error(.truncated) }
        if frames[0].kind == .directory { try tree.close(at: fieldOffset) }
        service.container = container
        return (service, try tree.finished(), offset)
    }

    // MARK: Steps

    private mutating func step(_ rest: inout ArraySlice<UInt8>) throws(CanonicalError) {
        switch state {
        case .tag:
            if varintBits == 0 { fieldOffset = offset }
            if let tag = try number(&rest) { try begin(tag) }
        case .number:
            guard try number(&rest) != nil else { return }
            try chargeUnknown(0)
            try endField()
        case .length(let field):
            if varintBits == 0 { lengthPosition = offset }
            guard let length = try number(&rest) else { return }
            let left = frame.end - offset
            guard length <= left else {
                throw error(.lengthPastEnd, limit: left, actual: length)
            }
            try enter(field, length)
        case .skipped(let left):
            let count = take(&rest, left).count
            state = .skipped(left - UInt64(count))
            if UInt64(count) == left { try endField() }
        case .held(let field, let left):
            let part = take(&rest, left)
            held += part
            state = .held(field: field, left - UInt64(part.count))
            if UInt64(part.count) == left { try settle(field) }
        case .content, .contentEnded: return
        }
    }

    var frame: Frame { frames[frames.count - 1] }

    private mutating func take(
        _ rest: inout ArraySlice<UInt8>, _ most: UInt64
    ) -> ArraySlice<UInt8> {
        let part = rest.prefix(Int(min(most, UInt64(rest.count))))
        rest = rest.dropFirst(part.count)
        offset += UInt64(part.count)
        return part
    }

    /// A varint; nil where the run ends in it.
    private mutating func number(
        _ rest: inout ArraySlice<UInt8>
    ) throws(CanonicalError) -> UInt64? {
        while let byte = rest.popFirst() {
            guard offset < frame.end else { throw error(.truncated) }
            offset += 1
            guard varintBits < 63 || byte <= 1 else { throw error(.malformed) }
            varint |= UInt64(byte & 0x7F) << varintBits
            varintBits += 7
            guard byte < 0x80 else { continue }
            defer {
                varint = 0
                varintBits = 0
            }
            return varint
        }
        return nil
    }

    private mutating func begin(_ tag: UInt64) throws(CanonicalError) {
        let field = tag >> 3
        guard field > 0, field < 1 << 29 else { throw error(.malformed) }
        if tag & 7 == 2 {
            state = .length(field: field)
            return
        }
        let known: UInt64 =
            switch frame.kind {
            case .service: 5
            case .container: 7
            case .directory: 2
            case .branch: 5
            }
        guard field > known else { throw error(.wrongType) }
        switch tag & 7 {
        case 0: state = .number
        case 1: try skip(8)
        case 5: try skip(4)
        default: throw error(.malformed)
        }
    }

    private mutating func enter(_ field: UInt64, _ length: UInt64) throws(CanonicalError) {
        switch (frame.kind, field) {
        case (.service, 2): try push(.container, length)
        case (.service, 1...5), (.container, 1), (.container, 3...7):
            heldTotal = try charged(
                length, to: heldTotal, UInt64(ProtoField.messageBytesMax))
            var head = ProtoWriter()
            head.head(field, length: length)
            try hold(field, length, length, behind: head.bytes)
        case (.container, 2), (.branch, 4):
            if frame.kind == .branch { try tree.checkItem(at: fieldOffset) }
            try push(.directory, length)
        case (.directory, 1): try push(.branch, length)
        case (.directory, 2) where tree.isRoot:
            try hold(field, length, CanonicalTreeBuilder.pairBytesMax)
        case (.branch, 1): try hold(field, length, CanonicalTreeBuilder.nameBytesMax)
        case (.branch, 2): try content(length)
        case (.branch, 3): try hold(field, length, CanonicalTreeBuilder.linkBytesMax)
        case (.branch, 5): try hold(field, length, CanonicalTreeBuilder.pairBytesMax)
        default: try skip(length)
        }
    }

    private mutating func push(_ kind: Frame.Kind, _ length: UInt64) throws(CanonicalError) {
        if kind != .branch {
            guard !frame.hasInner else { throw error(.duplicate) }
            frames[frames.count - 1].hasInner = true
        }
        if kind == .directory { tree.open() }
        if kind == .branch { try tree.openBranch(at: fieldOffset) }
        frames.append(Frame(kind: kind, end: offset + length, lengthPosition: lengthPosition))
        try endField()
    }

    private mutating func content(_ bytes: UInt64) throws(CanonicalError) {
        try tree.checkItem(at: fieldOffset)
        guard bytes > 0 else {
            tree.setFile(.ofNothing, bytes: 0)
            return try endField()
        }
        state = .content(bytes: bytes, left: bytes)
        let around = frames.dropFirst().map(\.lengthPosition)
        pending = .contentBegins(bytes: bytes, lengthPositions: around + [lengthPosition])
    }

    /// Holds a field until it is whole; `limit` is in bytes.
    private mutating func hold(
        _ field: UInt64, _ length: UInt64, _ limit: UInt64, behind head: [UInt8] = []
    ) throws(CanonicalError) {
        guard length <= limit else { throw error(.tooLarge, limit: limit, actual: length) }
        held.removeAll(keepingCapacity: true)
        held += head
        state = .held(field: field, length)
        if length == 0 { try settle(field) }
    }

    private mutating func skip(_ length: UInt64) throws(CanonicalError) {
        let left = frame.end - offset
        guard length <= left else { throw error(.lengthPastEnd, limit: left, actual: length) }
        try chargeUnknown(length)
        state = .skipped(length)
        if length == 0 { try endField() }
    }

    /// Charges a field nobody here knows: what was read of it, its tag too, and `length` bytes to come.
    private mutating func chargeUnknown(_ length: UInt64) throws(CanonicalError) {
        let head = try charged(offset - fieldOffset, to: unknownTotal, Self.unknownBytesMax)
        unknownTotal = try charged(length, to: head, Self.unknownBytesMax)
    }

    /// - Throws: TOO_LARGE past `limit`.
    private func charged(
        _ bytes: UInt64, to total: UInt64, _ limit: UInt64
    ) throws(CanonicalError) -> UInt64 {
        let (sum, overflow) = total.addingReportingOverflow(bytes)
        guard !overflow, sum <= limit else {
            throw error(.tooLarge, limit: limit, actual: overflow ? .max : sum)
        }
        return sum
    }

    /// A field that was held is whole.
    private mutating func settle(_ field: UInt64) throws(CanonicalError) {
        switch (frame.kind, field) {
        case (.service, _):
            do throws(ProtoError) { try service.decode(held[...], &budget) } catch {
                throw self.error(error)
            }
        case (.container, _):
            do throws(ProtoError) { try container.decode(held[...], &budget) } catch {
                throw self.error(error)
            }
        case (.directory, _): try tree.takeRootPair(held, at: fieldOffset)
        case (.branch, 1): try tree.takeName(held, at: fieldOffset)
        case (.branch, 3): try tree.takeLink(held, at: fieldOffset)
        case (.branch, _): try tree.takePair(held, at: fieldOffset)
        }
        try endField()
    }

    /// A field ended, and with it whatever ends here.
    private mutating func endField() throws(CanonicalError) {
        state = .tag
        while frames.count > 1, frame.end == offset {
            switch frame.kind {
            case .directory: try tree.close(at: fieldOffset)
            case .branch: try tree.closeBranch(at: fieldOffset)
            case .service, .container: break
            }
            frames.removeLast()
        }
    }

    /// What is wrong with a field that was held.
    private func error(_ error: ProtoError) -> CanonicalError {
        guard case .tooLarge(let limit, let actual) = error else {
            return self.error(.malformed)
        }
        return CanonicalError(
            .tooLarge, path: "fields", offset: fieldOffset, limit: UInt64(limit),
            actual: UInt64(actual))
    }

    func error(
        _ condition: CanonicalError.Condition, limit: UInt64 = 0, actual: UInt64 = 0
    ) -> CanonicalError {
        CanonicalError(
            condition, path: tree.path, offset: fieldOffset, limit: limit, actual: actual)
    }
}
