#include "CHeap.h"

#include <malloc.h>

void celaut_heap_keep(int bytes) {
    mallopt(M_TRIM_THRESHOLD, bytes);
    mallopt(M_TOP_PAD, bytes / 4);
}
