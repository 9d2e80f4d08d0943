// The right to an instance: how it is derived, and what is none.

import Testing
import gateway_broker

@Suite("Tokens") struct TokenTests {
    let book = TokenBook(secret: [UInt8](0..<32))
    let id = RegistryFixture.id(3)

    @Test("are 64 hexadecimal digits, the same each time, and do not contain the id")
    func derivation() {
        let token = book.token(of: id)
        #expect(token.utf8.count == 64)
        #expect(token == book.token(of: id))
        #expect(!token.contains(id.description))
        // HMAC-SHA256 of "celaut instance token 1", a zero and the id, computed with Python's hmac.
        #expect(token == "90e1ee00552a370275493ee8b9d29c43e2d19ac8b296ae9e998a26fa8c685c1b")
    }

    @Test("differ by instance and by node")
    func separation() {
        #expect(book.token(of: id) != book.token(of: RegistryFixture.id(4)))
        #expect(book.token(of: id) != TokenBook(secret: [UInt8](1..<33)).token(of: id))
    }

    @Test("are found by the digest of what is shown")
    func digests() {
        #expect(TokenBook.digest(ofText: book.token(of: id)) == book.digest(of: id))
        #expect(
            TokenBook.digest(ofText: book.token(of: RegistryFixture.id(4))) != book.digest(of: id))
    }

    @Test(
        "are nothing else than 64 lower-case digits",
        arguments: [
            "", "x", String(repeating: "g", count: 64), String(repeating: "A", count: 64),
            String(repeating: "a", count: 63), String(repeating: "a", count: 66),
        ])
    func refusals(_ text: String) {
        #expect(TokenBook.digest(ofText: text) == nil)
    }
}
