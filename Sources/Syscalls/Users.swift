// Names of users and groups, from the system's databases.

import CShim
import Glibc

package enum Users {
    // LIMIT: 16 KiB for one entry; a longer one counts as not there.
    private static let entryBytesMax = 16_384

    package struct User: Sendable, Equatable {
        package let uid: UInt32
        package let gid: UInt32
    }

    /// nil when there is none of that name.
    package static func user(named name: String) -> User? {
        // SAFETY: plain C values, filled by the C library below; only numbers leave.
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: entryBytesMax)
        let code = unsafe getpwnam_r(name, &entry, &buffer, buffer.count, &found)
        guard code == 0, unsafe found != nil else { return nil }
        return unsafe User(uid: entry.pw_uid, gid: entry.pw_gid)
    }

    /// nil when there is none of that name.
    package static func group(named name: String) -> UInt32? {
        var entry = unsafe CShim.group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: entryBytesMax)
        // SAFETY: as above.
        let code = unsafe getgrnam_r(name, &entry, &buffer, buffer.count, &found)
        guard code == 0, unsafe found != nil else { return nil }
        return unsafe entry.gr_gid
    }
}
