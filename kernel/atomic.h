/*
 * Ordering on memory that a device or another core reads and writes. Ring memory is touched only
 * through these; device registers only through kernel/mmio.h. Each use names its pair; the list
 * of pairs is in docs/architecture.md:
 *
 *   A  our descriptors      -> avail index or flags    (release, device acquires)
 *   U  device's used entry  -> used index or flags     (we acquire, device releases)
 *   K  our publish          -> read of the device's suppression word (full fence on both sides)
 *   N  ring memory          -> notify register          (io_wmb)
 */
#ifndef KERNEL_ATOMIC_H
#define KERNEL_ATOMIC_H

#include <stdatomic.h>

#define ring_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define ring_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define ring_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define ring_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ring_fence_full() atomic_thread_fence(memory_order_seq_cst)

#endif
