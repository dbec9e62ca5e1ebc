// Counts allocations and copies of a process, for bench/counts.py.
//
// Preloaded, it stands before malloc and memcpy of the C library and adds to counters in the file
// that PAXLEDGER_COUNTS names, one for each process: what it counts can be read at any time, also
// of a process that is killed. Copies that the compiler wrote out in place are not seen.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// A copy of so many octets may hold a value of 256; of so many more, several of them.
#define VALUE_BYTES 256

extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* old, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

// In the order in which bench/counts.py reads them.
struct Counters {
  uint64_t allocations;
  uint64_t allocated_bytes;
  uint64_t copies;        // of VALUE_BYTES or more
  uint64_t copied_bytes;  // by these
};

static struct Counters before_the_file;
static struct Counters* counters = &before_the_file;

static void add(uint64_t* counter, uint64_t amount) {
  __atomic_fetch_add(counter, amount, __ATOMIC_RELAXED);
}

static void count_allocation(size_t size) {
  add(&counters->allocations, 1);
  add(&counters->allocated_bytes, size);
}

static void count_copy(size_t size) {
  if (size < VALUE_BYTES) return;
  add(&counters->copies, 1);
  add(&counters->copied_bytes, size);
}

__attribute__((constructor)) static void open_counters(void) {
  const char* folder = getenv("PAXLEDGER_COUNTS");
  if (folder == NULL) return;
  char path[4096];
  snprintf(path, sizeof path, "%s/%d", folder, (int)getpid());
  const int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0 || ftruncate(descriptor, sizeof(struct Counters)) != 0) abort();
  void* place =
      mmap(NULL, sizeof(struct Counters), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (place == MAP_FAILED) abort();
  close(descriptor);
  counters = place;
}

void* malloc(size_t size) {
  count_allocation(size);
  return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) {
  count_allocation(count * size);
  return __libc_calloc(count, size);
}

void* realloc(void* old, size_t size) {
  count_allocation(size);
  return __libc_realloc(old, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  count_allocation(size);
  return __libc_memalign(alignment, size);
}

// A plain loop would be made a call of itself; the instruction is not.
static void* copy_forward(void* to, const void* from, size_t size) {
  void* place = to;
  __asm__ volatile("rep movsb" : "+D"(place), "+S"(from), "+c"(size) : : "memory");
  return to;
}

void* memcpy(void* restrict to, const void* restrict from, size_t size) {
  count_copy(size);
  return copy_forward(to, from, size);
}

void* memmove(void* to, const void* from, size_t size) {
  count_copy(size);
  if ((uintptr_t)to - (uintptr_t)from >= size) return copy_forward(to, from, size);
  unsigned char* to_end = (unsigned char*)to + size - 1;
  const unsigned char* from_end = (const unsigned char*)from + size - 1;
  __asm__ volatile("std; rep movsb; cld" : "+D"(to_end), "+S"(from_end), "+c"(size) : : "memory");
  return to;
}
