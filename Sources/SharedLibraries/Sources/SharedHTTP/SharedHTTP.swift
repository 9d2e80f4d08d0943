/// SwiftNIO with HTTP/1.1, HTTP/2 and TLS, from the shared library file.
@_exported import NIOCore
@_exported import NIOHTTP1
@_exported import NIOHTTP2
@_exported import NIOPosix
@_exported import NIOSSL
