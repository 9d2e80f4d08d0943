// The two fields of /proc/<pid>/stat that name a process for as long as the machine is up.

package enum ProcessStatus {
    /// - Parameter text: the file's content: "pid (name) state …", where the name may hold anything.
    package static func identity(_ text: [UInt8]) -> (pid: Int32, startTime: UInt64)? {
        guard let end = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let before = text.prefix { $0 != UInt8(ascii: " ") }
        let after = text[(end + 1)...].split(separator: UInt8(ascii: " "))
        // The start time is field 22; the first after the name is field 3.
        guard after.count > 19, let pid = Int32(String(decoding: before, as: UTF8.self)),
            let start = UInt64(String(decoding: after[19], as: UTF8.self))
        else { return nil }
        return (pid, start)
    }
}
