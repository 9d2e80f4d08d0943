// Made by protoc-gen-celaut from gateway_networks.proto by `deploy/generate`; not edited.
// swift-format-ignore-file

internal import FoundationEssentials

extension TestedPeer {
    /// `instanceID` as an array.
    package var instanceIDBytes: [UInt8] {
        get { [UInt8](instanceID) }
        set { instanceID = Data(newValue) }
    }
}
