// Jobs of Swift's runtime that belong to no executor: code between two actors, a task that was
// resumed. The runtime gives them to a pool of threads; a process that has one loop wants them on
// it, as each trip to the pool and back costs two thread switches (measured: 16 µs on one core).

import CShim

package enum UnownedJobs {
    /// Sends them to `sink` from now on, with `context`, on whichever thread makes them. Once per
    /// process, for ever.
    ///
    /// - Returns: false when that cannot be; they then go to the runtime's pool as before.
    package static func take(
        context: UnsafeMutableRawPointer,
        _ sink: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Void
    ) -> Bool {
        // SAFETY: the caller keeps the context alive for ever.
        unsafe celaut_take_jobs(sink, context) == 0
    }
}
