// What the C library's heap keeps of freed memory.
#pragma once

// Keeps up to so many freed bytes at the heap's end instead of giving them back at once.
void celaut_heap_keep(int bytes);
