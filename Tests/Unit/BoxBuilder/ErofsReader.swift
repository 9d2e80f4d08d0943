// Reads a metadata image the way the kernel's documentation (filesystems/erofs.rst) describes it,
// written without looking at the writer: what it cannot follow, the kernel could not either.

struct ErofsReader {
    struct Broken: Error { let what: String }

    struct Inode {
        let offset: Int
        let mode: Int
        let size: Int
        let uid: Int
        let gid: Int
        let seconds: Int
        let nanoseconds: Int
        let links: Int
        let layout: Int
        let block: Int
        let bodyOffset: Int
        let attributes: [String: [UInt8]]
    }

    let image: [UInt8]

    init(_ image: [UInt8]) throws {
        self.image = image
        guard number(1_024, 4) == 0xE0F5_E1E2 else { throw Broken(what: "magic") }
        guard image[1_024 + 12] == 12 else { throw Broken(what: "block size") }
        guard number(1_024 + 36, 4) * 4_096 == image.count else { throw Broken(what: "blocks") }
        guard number(1_024 + 80, 4) == 0x44 else { throw Broken(what: "features") }
        guard image[1_024 + 91] == 1 else { throw Broken(what: "prefixes") }
    }

    /// The one long prefix of attributes' names.
    private var prefix: String {
        let start = number(1_024 + 92, 4) * 4
        let length = number(start, 2)
        let base = [1: "user.", 4: "trusted.", 6: "security."][image[start + 2]] ?? "?"
        return base + String(decoding: image[(start + 3)..<(start + 2 + length)], as: UTF8.self)
    }

    var inodeCount: Int { number(1_024 + 16, 8) }
    var rootNumber: Int { number(1_024 + 14, 2) }

    func number(_ offset: Int, _ bytes: Int) -> Int {
        (0..<bytes).reversed().reduce(0) { $0 << 8 | Int(image[offset + $1]) }
    }

    func inode(_ nid: Int) throws -> Inode {
        let offset = nid * 32
        guard offset + 32 <= image.count else { throw Broken(what: "inode \(nid) outside") }
        let format = number(offset, 2)
        let isExtended = format & 1 == 1
        let words = number(offset + 2, 2)
        let attributeBytes = words == 0 ? 0 : 12 + 4 * (words - 1)
        let body = offset + (isExtended ? 64 : 32)
        let attributes = try attributes(body, attributeBytes)
        if isExtended {
            return Inode(
                offset: offset, mode: number(offset + 4, 2), size: number(offset + 8, 8),
                uid: number(offset + 24, 4), gid: number(offset + 28, 4),
                seconds: number(offset + 32, 8), nanoseconds: number(offset + 40, 4),
                links: number(offset + 44, 4), layout: format >> 1 & 7,
                block: number(offset + 16, 4), bodyOffset: body + attributeBytes,
                attributes: attributes)
        }
        return Inode(
            offset: offset, mode: number(offset + 4, 2), size: number(offset + 8, 4),
            uid: number(offset + 24, 2), gid: number(offset + 26, 2),
            seconds: number(1_024 + 24, 8), nanoseconds: number(1_024 + 32, 4),
            links: number(offset + 6, 2), layout: format >> 1 & 7,
            block: number(offset + 16, 4), bodyOffset: body + attributeBytes,
            attributes: attributes)
    }

    private func attributes(_ start: Int, _ bytes: Int) throws -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        if bytes == 0 { return found }
        let shared = Int(image[start + 4])
        for index in 0..<shared {
            // Numbered from the block of shared attributes, which is the first.
            let position = number(1_024 + 44, 4) * 4_096 + number(start + 12 + index * 4, 4) * 4
            _ = try attribute(position, &found)
        }
        var position = start + 12 + shared * 4
        while position < start + bytes { position = try attribute(position, &found) }
        return found
    }

    private func attribute(
        _ position: Int, _ found: inout [String: [UInt8]]
    ) throws -> Int {
        let (nameBytes, space) = (Int(image[position]), image[position + 1])
        let valueBytes = number(position + 2, 2)
        let start = space == 0x80 ? prefix : [1: "user.", 4: "trusted.", 6: "security."][space]
        guard let start else { throw Broken(what: "name space \(space)") }
        let name = image[(position + 4)..<(position + 4 + nameBytes)]
        let value = image[(position + 4 + nameBytes)...].prefix(valueBytes)
        found[start + String(decoding: name, as: UTF8.self)] = Array(value)
        return position + (4 + nameBytes + valueBytes + 3) / 4 * 4
    }

    /// Bytes of a directory or symlink.
    func data(_ inode: Inode) throws -> [UInt8] {
        switch inode.layout {
        case 0: return Array(image[(inode.block * 4_096)...].prefix(inode.size))
        case 2:
            let tail = inode.size % 4_096
            let whole = inode.size - tail
            // The kernel refuses a tail that crosses a block.
            guard inode.bodyOffset % 4_096 + tail <= 4_096 else { throw Broken(what: "tail") }
            return Array(image[(inode.block * 4_096)...].prefix(whole))
                + image[inode.bodyOffset...].prefix(tail)
        default: throw Broken(what: "layout \(inode.layout)")
        }
    }

    struct Entry {
        let name: String
        let nid: Int
        let kind: Int
    }

    func entries(_ directory: Inode) throws -> [Entry] {
        let data = try data(directory)
        var found: [Entry] = []
        for start in stride(from: 0, to: data.count, by: 4_096) {
            let block = Array(data[start..<min(start + 4_096, data.count)])
            func number(_ offset: Int, _ bytes: Int) -> Int {
                (0..<bytes).reversed().reduce(0) { $0 << 8 | Int(block[offset + $1]) }
            }
            let count = number(8, 2) / 12
            for index in 0..<count {
                let nameStart = number(index * 12 + 8, 2)
                let nameEnd = index + 1 < count ? number(index * 12 + 20, 2) : block.count
                let name = block[nameStart..<nameEnd].prefix { $0 != 0 }
                found.append(
                    Entry(
                        name: String(decoding: name, as: UTF8.self), nid: number(index * 12, 8),
                        kind: Int(block[index * 12 + 10])))
            }
        }
        return found
    }

    /// Every path with what stands there, the directories' own entries checked on the way.
    func walk() throws -> [String: Inode] {
        var all: [String: Inode] = [:]
        func visit(_ path: String, _ nid: Int, parent: Int) throws {
            let inode = try inode(nid)
            all[path] = inode
            guard inode.mode & 0o170_000 == 0o040_000 else { return }
            let entries = try entries(inode)
            let names = entries.map { Array($0.name.utf8) }
            for (left, right) in zip(names, names.dropFirst())
            where !left.lexicographicallyPrecedes(right) {
                throw Broken(what: "order in \(path)")
            }
            guard entries.first(where: { $0.name == "." })?.nid == nid,
                entries.first(where: { $0.name == ".." })?.nid == parent
            else { throw Broken(what: "dots of \(path)") }
            for entry in entries where entry.name != "." && entry.name != ".." {
                let kind = try self.inode(entry.nid).mode >> 12
                guard [1: 0o10, 2: 0o4, 7: 0o12][entry.kind] == kind else {
                    throw Broken(what: "kind of \(path)/\(entry.name)")
                }
                try visit(path + "/" + entry.name, entry.nid, parent: nid)
            }
        }
        try visit("", rootNumber, parent: rootNumber)
        return all
    }
}
