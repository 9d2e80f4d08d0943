import Syscalls

/// Kernel errors by the name their readers look up.
enum ErrorName {
    static func of(_ code: Int32) -> String { Errno(code: code).name }
}
