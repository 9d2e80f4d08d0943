// How a daemon ends, as a number that a service manager and a maintainer can act on. The numbers
// are those of sysexits.h where it has one; every daemon's README repeats the table.

package enum ExitCode: Int32, Sendable, CaseIterable {
    /// Stopped as asked.
    case success = 0
    /// The command line is wrong.
    case usage = 64
    /// The store is damaged: it needs repair or a copy, a restart does not help.
    case storeCorrupt = 65
    /// The configuration file cannot be read.
    case configurationMissing = 66
    /// The listening sockets are not those that were declared.
    case sockets = 69
    /// A failure of ours; the log has more. A restart may help.
    case software = 70
    /// The system refused something needed at the start.
    case system = 71
    /// The state directory cannot be made or opened.
    case state = 73
    /// The store cannot be read or written: a full disk, a failing one.
    case storeFailing = 74
    /// Another process has the state directory.
    case stateTaken = 75
    /// The store was written by a newer version.
    case storeTooNew = 76
    /// More or fewer privileges than the daemon declares.
    case privileges = 77
    /// The configuration file says something that cannot be.
    case configuration = 78
}

/// Why a daemon could not start (or go on), with the code it ends with. Travels untouched to
/// `Daemon.run`.
package struct DaemonFailure: Error, Sendable, CustomStringConvertible {
    package let exitCode: ExitCode
    /// For the maintainer: what is wrong, with its name, and where there is a remedy, that.
    package let description: String

    package init(_ exitCode: ExitCode, _ description: String) {
        self.exitCode = exitCode
        self.description = description
    }
}
