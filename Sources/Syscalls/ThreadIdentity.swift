// Which thread is running: a number to compare, valid while that thread lives.

import Glibc

/// The calling thread's number; never 0.
package func currentThread() -> UInt {
    UInt(pthread_self())
}
