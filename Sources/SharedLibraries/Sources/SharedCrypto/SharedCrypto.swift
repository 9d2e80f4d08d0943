/// All of swift-crypto, from the shared library file.
@_exported import Crypto
