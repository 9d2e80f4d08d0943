// Which thread is running: a number to compare, valid while that thread lives.

import CShim
import Glibc

/// The calling thread's number; never 0.
package func currentThread() -> UInt {
    UInt(pthread_self())
}

/// Whether the calling thread is the one the process began with.
package func isMainThread() -> Bool {
    celaut_is_main_thread() != 0
}
