// The C library's heap.

import CShim

package enum Heap {
    /// Keeps up to so many freed bytes at the heap's end instead of giving them back to the kernel
    /// at once. Bodies of 64 KiB that come and go would otherwise cost two system calls and 16 page
    /// faults each (measured: half of the time of a stream of them).
    package static func keepFreed(bytes: Int32) {
        celaut_heap_keep(bytes)
    }
}
