// Made by protoc-gen-celaut from box_exchange.proto by `deploy/generate`; not edited.
// swift-format-ignore-file

internal import FoundationEssentials

extension ExchangeFrame {
    /// `piece` as an array.
    package var pieceBytes: [UInt8] {
        get { [UInt8](piece) }
        set { piece = Data(newValue) }
    }
}

extension ExchangeHello {
    /// `codecs` as an array.
    package var codecsBytes: [UInt8] {
        get { [UInt8](codecs) }
        set { codecs = Data(newValue) }
    }
}

extension ExchangeOffer {
    /// `serviceID` as an array.
    package var serviceIDBytes: [UInt8] {
        get { [UInt8](serviceID) }
        set { serviceID = Data(newValue) }
    }
}

extension ExchangeList {
    /// `digests` as an array.
    package var digestsBytes: [UInt8] {
        get { [UInt8](digests) }
        set { digests = Data(newValue) }
    }
}
