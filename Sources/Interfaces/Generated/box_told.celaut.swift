// Made by protoc-gen-celaut from box_told.proto by `deploy/generate`; not edited.
// swift-format-ignore-file

internal import FoundationEssentials

extension ToldEntry {
    /// `path` as an array.
    package var pathBytes: [UInt8] {
        get { [UInt8](path) }
        set { path = Data(newValue) }
    }
    /// `target` as an array.
    package var targetBytes: [UInt8] {
        get { [UInt8](target) }
        set { target = Data(newValue) }
    }
}

extension ToldAttribute {
    /// `name` as an array.
    package var nameBytes: [UInt8] {
        get { [UInt8](name) }
        set { name = Data(newValue) }
    }
    /// `value` as an array.
    package var valueBytes: [UInt8] {
        get { [UInt8](value) }
        set { value = Data(newValue) }
    }
}
