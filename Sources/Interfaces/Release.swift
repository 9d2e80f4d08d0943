// What this build calls itself, in hellos, logs and `--version`.

package enum Release {
    /// MAJOR.MINOR.PATCH.
    package static let version = "0.1.0"
}
