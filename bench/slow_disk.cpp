// A disk that is many times slower, for one process and as long as it is wanted:
//
//   LD_PRELOAD=libpaxledger_slow_disk.so PAXLEDGER_SLOW_DISK=FILE paxledgerd …
//
// FILE holds the factor as text; it may be rewritten at any time and is looked at after each sync.
// A sync takes that many times as long as the disk needed for it, so that one of many megabytes
// stays slower than one of a sector. Writes are not slowed down: they go to the page cache, which
// no disk makes slow. Where FILE is missing or holds no number the factor is 1.
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

double factor() {
  const char* path = std::getenv("PAXLEDGER_SLOW_DISK");
  std::FILE* file = path == nullptr ? nullptr : std::fopen(path, "re");
  if (file == nullptr) return 1;
  char text[32] = {};
  const bool read = std::fgets(text, sizeof text, file) != nullptr;
  std::fclose(file);
  return read ? std::max(1.0, std::strtod(text, nullptr)) : 1;
}

// The function of this name that the process would have had otherwise.
int slowed(const char* name, int descriptor) {
  using Sync = int (*)(int);
  using Clock = std::chrono::steady_clock;
  const auto sync = reinterpret_cast<Sync>(dlsym(RTLD_NEXT, name));  // NOLINT: dlsym's contract
  if (sync == nullptr) std::abort();
  const auto begin = Clock::now();
  const int result = sync(descriptor);
  const int reason = errno;
  const auto taken = Clock::now() - begin;
  if (const double times = factor(); times > 1) {
    std::this_thread::sleep_for(std::chrono::duration<double, std::nano>(taken) * (times - 1));
  }
  errno = reason;
  return result;
}

}  // namespace

extern "C" int fdatasync(int descriptor) {
  return slowed("fdatasync", descriptor);
}

extern "C" int fsync(int descriptor) {
  return slowed("fsync", descriptor);
}
