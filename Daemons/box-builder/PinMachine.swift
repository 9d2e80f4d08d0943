/// Which stored things imports under way rely on, so that a removal at the same time leaves them.
///
/// Keeps true: a thing is offered for deletion only while nobody pins it, and whatever a removal or
/// a failed import had to leave is offered again when its last pin goes. It does not know what the
/// index needs: whoever deletes asks that, under the same lock as this machine.
package struct PinMachine<Name: Hashable & Sendable>: Sendable {
    private var pins: [Name: Int] = [:]
    /// Pinned things that may be without a box.
    private var doubtful: Set<Name> = []

    package init() {}

    package var isEmpty: Bool { pins.isEmpty && doubtful.isEmpty }

    package func isPinned(_ name: Name) -> Bool { pins[name] != nil }

    /// An import relies on it from now on. Before it looks whether the thing is there.
    package mutating func pin(_ name: Name) {
        pins[name, default: 0] += 1
    }

    /// An import relies on it no more.
    ///
    /// - Parameter isDoubtful: the import may have made it for nothing.
    /// - Returns: whether to delete it now, unless the index needs it.
    package mutating func release(_ name: Name, isDoubtful: Bool) -> Bool {
        guard let count = pins[name] else { return false }
        if isDoubtful { doubtful.insert(name) }
        guard count == 1 else {
            pins[name] = count - 1
            return false
        }
        pins[name] = nil
        return doubtful.remove(name) != nil
    }

    /// A removal left it without a box.
    ///
    /// - Returns: whether to delete it now, unless the index needs it again.
    package mutating func abandon(_ name: Name) -> Bool {
        guard pins[name] == nil else {
            doubtful.insert(name)
            return false
        }
        return true
    }
}
