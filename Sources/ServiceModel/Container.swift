/// The BOX of a service: what it is made of and how it starts. Its filesystem is a `FileTree`,
/// kept apart because it can be larger than memory.
package struct Container: ProtoMessage {
    /// The machine it runs on: a tag like "linux/amd64".
    package var architecture = Architecture()
    /// The program it starts with.
    package var initial = EntryPoint()
    /// What it needs at first and may grow to; nil where it does not say.
    package var resources: Resources?
    /// The file that its node writes for it; nil where it does not say.
    package var configDeclaration: ConfigDeclaration?
    /// The protocols it can speak to its node.
    package var nodeProtocolStack: [ProtocolDefinition] = []
    /// The environment variables it reads, with the format of each.
    package var environmentVariables: TextMap<DataFormat> = [:]

    package init() {}

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: try field.merge(into: &architecture)
        case 3: try field.merge(into: &initial)
        case 4: try field.merge(into: &resources)
        case 5: try field.merge(into: &configDeclaration)
        case 6: nodeProtocolStack.append(try field.message())
        case 7:
            let (key, value) = try field.entry()
            environmentVariables[key] = try field.message(in: value)
        default: break  // 2 is the filesystem: read as a stream, never from here.
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writeBeforeFilesystem(to: &writer)
        writeAfterFilesystem(to: &writer)
    }

    func writeBeforeFilesystem(to writer: inout ProtoWriter) {
        writer.spoken(1, architecture)
    }

    static let filesystemField: UInt64 = 2

    func writeAfterFilesystem(to writer: inout ProtoWriter) {
        writer.spoken(3, initial)
        writer.message(4, resources)
        writer.message(5, configDeclaration)
        writer.messages(6, nodeProtocolStack)
        writer.map(7, environmentVariables) { $0.encoded() }
    }
}

/// The program an instance starts with: executed without arguments.
package struct EntryPoint: ProtoMessage {
    /// Its path from the root, in segments: ["usr", "bin", "redis-server"].
    package var entryPath: [String] = []
    /// What else a node should know to start it: "terminals" = "true" gives it terminals of its own.
    package var xattrs: TextMap<[UInt8]> = [:]

    package init() {}

    package init(entryPath: [String], xattrs: TextMap<[UInt8]> = [:]) {
        self.entryPath = entryPath
        self.xattrs = xattrs
    }

    /// As one path: "/usr/bin/redis-server".
    package var path: String { "/" + entryPath.joined(separator: "/") }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: entryPath.append(try field.text())
        case 2:
            let (key, value) = try field.entry()
            xattrs[key] = Array(value)
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.texts(1, entryPath)
        writer.map(2, xattrs)
    }
}

/// The file in which the node tells an instance its gateway, its environment and its resources.
package struct ConfigDeclaration: ProtoMessage {
    /// Its path from the root, in segments. Existing nodes write "/__config__" whatever this says.
    package var path: [String] = []
    /// What the file is to be written in; nil or empty for the serialized `ConfigurationFile`.
    package var format: DataFormat?

    package init() {}

    package init(path: [String], format: DataFormat?) {
        self.path = path
        self.format = format
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: path.append(try field.text())
        case 2: try field.merge(into: &format)
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.texts(1, path)
        writer.message(2, format)
    }
}
