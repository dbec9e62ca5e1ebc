#include "storage/posix_disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace paxledger::storage {

namespace {

Error io_error(const std::string& operation, const std::string& path, int reason) {
  return {ErrorCode::io, operation + " " + path + ": " + std::generic_category().message(reason) +
                             " (errno " + std::to_string(reason) + ")"};
}

// Repeats a call that a signal interrupted.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

class PosixFile final : public File {
 public:
  PosixFile(std::string path, Descriptor descriptor)
      : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

  Result<void> write_at(std::uint64_t offset, std::string_view octets) override {
    while (!octets.empty()) {
      const auto written = uninterrupted([&] {
        return ::pwrite(descriptor_.number(), octets.data(), octets.size(),
                        static_cast<off_t>(offset));
      });
      if (written < 0) return io_error("write to", path_, errno);
      // A write of nothing without an error would repeat for ever.
      if (written == 0) return io_error("write to", path_, ENOSPC);
      offset += static_cast<std::uint64_t>(written);
      octets.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const auto count = uninterrupted([&] {
        return ::pread(descriptor_.number(), into.data() + done, into.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (count < 0) return io_error("read of", path_, errno);
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  Result<std::uint64_t> size() override {
    struct stat status {};
    if (::fstat(descriptor_.number(), &status) != 0) return io_error("stat of", path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

  Result<void> truncate(std::uint64_t bytes) override {
    const auto done =
        uninterrupted([&] { return ::ftruncate(descriptor_.number(), static_cast<off_t>(bytes)); });
    if (done != 0) return io_error("truncation of", path_, errno);
    return {};
  }

  Result<void> reserve(std::uint64_t bytes) override {
    // A file system that cannot reserve is as good: writes find out what there is room for.
    const auto reserved = uninterrupted(
        [&] { return ::posix_fallocate(descriptor_.number(), 0, static_cast<off_t>(bytes)); });
    if (reserved == ENOSPC || reserved == EFBIG || reserved == EDQUOT) {
      return io_error("reservation for", path_, reserved);
    }
    return {};
  }

  void start_writeback(std::uint64_t offset, std::uint64_t bytes) override {
    // What goes wrong with these octets is told to the next sync.
    (void)::sync_file_range(descriptor_.number(), static_cast<off_t>(offset),
                            static_cast<off_t>(bytes), SYNC_FILE_RANGE_WRITE);
  }

  Result<void> sync() override {
    // Not repeated after EINTR: what a second sync would say about the first one is not defined.
    if (::fdatasync(descriptor_.number()) != 0) return io_error("sync of", path_, errno);
    return {};
  }

 private:
  std::string path_;
  Descriptor descriptor_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;
};

Descriptor open_descriptor(const std::string& path, int flags) {
  return Descriptor(uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0644); }));
}

// The pid in a lock file, for a message; "unknown" if there is none.
std::string holder_of(int descriptor) {
  char text[32] = {};
  const auto count = ::pread(descriptor, text, sizeof text - 1, 0);
  const std::string_view view(text, count > 0 ? static_cast<std::size_t>(count) : 0);
  const std::string_view digits = view.substr(0, view.find_first_not_of("0123456789"));
  return digits.empty() ? "unknown" : std::string(digits);
}

}  // namespace

Result<std::unique_ptr<File>> PosixDisk::open(const std::string& path, Access access) {
  const int flags = access == Access::read    ? O_RDONLY
                    : access == Access::write ? O_RDWR
                                              : O_RDWR | O_CREAT | O_EXCL;
  Descriptor descriptor = open_descriptor(path, flags);
  if (descriptor.number() < 0) {
    return io_error(access == Access::create ? "creation of" : "opening of", path, errno);
  }
  return std::unique_ptr<File>(std::make_unique<PosixFile>(path, std::move(descriptor)));
}

Result<bool> PosixDisk::exists(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return io_error("stat of", path, errno);
}

Result<std::vector<std::string>> PosixDisk::list(const std::string& path) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return io_error("listing of", path, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int reason = errno;
  ::closedir(directory);
  if (reason != 0) return io_error("listing of", path, reason);
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> PosixDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return io_error("renaming to " + to + " of", from, errno);
  }
  return {};
}

Result<void> PosixDisk::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return io_error("removal of", path, errno);
  return {};
}

Result<void> PosixDisk::make_directories(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) {
      return io_error("creation of directory", part, errno);
    }
    if (end == std::string::npos) return {};
  }
}

Result<void> PosixDisk::sync_directory(const std::string& path) {
  const Descriptor descriptor = open_descriptor(path, O_RDONLY | O_DIRECTORY);
  if (descriptor.number() < 0) return io_error("opening of directory", path, errno);
  if (::fsync(descriptor.number()) != 0) return io_error("sync of directory", path, errno);
  return {};
}

Result<std::unique_ptr<FileLock>> PosixDisk::lock(const std::string& path) {
  Descriptor descriptor = open_descriptor(path, O_RDWR | O_CREAT);
  if (descriptor.number() < 0) return io_error("opening of", path, errno);
  const auto locked =
      uninterrupted([&] { return ::flock(descriptor.number(), LOCK_EX | LOCK_NB); });
  if (locked != 0) {
    if (errno != EWOULDBLOCK) return io_error("locking of", path, errno);
    return Error{ErrorCode::configuration, path + " is locked: the process " +
                                               holder_of(descriptor.number()) +
                                               " uses this data directory"};
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(descriptor.number(), 0) != 0 ||
      ::pwrite(descriptor.number(), pid.data(), pid.size(), 0) < 0) {
    // The pid is only there for messages: a full disk must not keep a node from starting here.
    errno = 0;
  }
  return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(std::move(descriptor)));
}

}  // namespace paxledger::storage
