/// All of swift-protobuf, from the shared library file.
@_exported import SwiftProtobuf
