// The condition a system call ended with. EBADF and EFAULT are never seen here: they say that this
// program is wrong about what it holds, and stop it (see Call).

import CShim
import Glibc

package struct Errno: Error, Equatable, Hashable, Sendable {
    package let code: Int32

    package init(code: Int32) {
        self.code = code
    }
}

extension Errno {
    package static let permission = Errno(code: EPERM)
    package static let noEntry = Errno(code: ENOENT)
    package static let noProcess = Errno(code: ESRCH)
    package static let interrupted = Errno(code: EINTR)
    package static let io = Errno(code: EIO)
    package static let tooBig = Errno(code: E2BIG)
    package static let notExecutable = Errno(code: ENOEXEC)
    package static let noChild = Errno(code: ECHILD)
    package static let again = Errno(code: EAGAIN)
    package static let noMemory = Errno(code: ENOMEM)
    package static let access = Errno(code: EACCES)
    package static let busy = Errno(code: EBUSY)
    package static let exists = Errno(code: EEXIST)
    package static let crossDevice = Errno(code: EXDEV)
    package static let noDevice = Errno(code: ENODEV)
    package static let notDirectory = Errno(code: ENOTDIR)
    package static let isDirectory = Errno(code: EISDIR)
    package static let invalid = Errno(code: EINVAL)
    package static let tooManyFiles = Errno(code: EMFILE)
    package static let tooManyFilesSystem = Errno(code: ENFILE)
    package static let textBusy = Errno(code: ETXTBSY)
    package static let fileTooLarge = Errno(code: EFBIG)
    package static let noSpace = Errno(code: ENOSPC)
    package static let readOnlyFileSystem = Errno(code: EROFS)
    package static let tooManyLinks = Errno(code: EMLINK)
    package static let brokenPipe = Errno(code: EPIPE)
    package static let range = Errno(code: ERANGE)
    package static let nameTooLong = Errno(code: ENAMETOOLONG)
    package static let noSystemCall = Errno(code: ENOSYS)
    package static let notEmpty = Errno(code: ENOTEMPTY)
    package static let loop = Errno(code: ELOOP)
    package static let noData = Errno(code: ENODATA)
    package static let staleHandle = Errno(code: ESTALE)
    package static let quota = Errno(code: EDQUOT)
    package static let notSupported = Errno(code: EOPNOTSUPP)
    package static let addressInUse = Errno(code: EADDRINUSE)
    package static let connectionReset = Errno(code: ECONNRESET)
    package static let connectionRefused = Errno(code: ECONNREFUSED)
    package static let connectionAborted = Errno(code: ECONNABORTED)
    package static let notConnected = Errno(code: ENOTCONN)
    package static let inProgress = Errno(code: EINPROGRESS)
    package static let timedOut = Errno(code: ETIMEDOUT)
    package static let messageSize = Errno(code: EMSGSIZE)
    package static let noBuffers = Errno(code: ENOBUFS)
    package static let cancelled = Errno(code: ECANCELED)

    /// The disk, or a quota on it, has no room.
    package var isStorageFull: Bool {
        self == .noSpace || self == .quota
    }

    /// The same of a write, which meets a bound on the length of a file as well.
    package var leavesNoRoom: Bool {
        isStorageFull || self == .fileTooLarge
    }
}

extension Errno: CustomStringConvertible {
    /// The constant's name: "ENOENT".
    package var name: String {
        // SAFETY: the C library returns a static string or null.
        guard let text = unsafe celaut_error_name(code) else { return "E\(code)" }
        return unsafe String(cString: text)
    }

    package var description: String {
        // SAFETY: the C library returns a static string or null; the description is not localised.
        guard let text = unsafe celaut_error_description(code) else { return name }
        return unsafe "\(name) (\(String(cString: text)))"
    }
}
