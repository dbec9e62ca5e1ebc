#include "control/unbegun.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

namespace paxledger::control {
namespace {

std::string content_for(const node::Configuration& configuration, NodeId node) {
  return "node " + std::to_string(node.value()) + " of cluster " + configuration.cluster +
         " has never begun\n";
}

// A descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags)
      : number_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

Error io_error(const std::string& what, const std::filesystem::path& path) {
  return {ErrorCode::io, "cannot " + what + " " + path.string() + ": " + std::strerror(errno)};
}

Result<void> write_durably(const std::filesystem::path& file, const std::string& content) {
  const Descriptor descriptor(file, O_WRONLY | O_CREAT | O_TRUNC);
  if (descriptor.number() < 0) return io_error("write", file);
  const auto written = ::write(descriptor.number(), content.data(), content.size());
  if (written != static_cast<ssize_t>(content.size())) {
    if (written >= 0) errno = ENOSPC;
    return io_error("write", file);
  }
  if (::fsync(descriptor.number()) != 0) return io_error("sync", file);
  return {};
}

}  // namespace

std::filesystem::path unbegun_file(const node::Configuration& configuration, NodeId node) {
  return configuration.node_directory(node).string() + ".unbegun";
}

Result<void> mark_unbegun(const node::Configuration& configuration) {
  for (const NodeId node : configuration.node_ids()) {
    auto written =
        write_durably(unbegun_file(configuration, node), content_for(configuration, node));
    if (!written) return written;
  }
  const Descriptor folder(configuration.data_dir, O_RDONLY | O_DIRECTORY);
  if (folder.number() < 0) return io_error("open", configuration.data_dir);
  if (::fsync(folder.number()) != 0) return io_error("sync", configuration.data_dir);
  return {};
}

bool is_unbegun(const node::Configuration& configuration, NodeId node) {
  std::ifstream in(unbegun_file(configuration, node), std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  return in && content.str() == content_for(configuration, node);
}

bool has_data(const node::Configuration& configuration, NodeId node) {
  const auto directory = configuration.node_directory(node);
  std::error_code error;
  const auto identity = std::filesystem::symlink_status(directory / "identity", error);
  if (identity.type() != std::filesystem::file_type::not_found) return true;
  for (const char* part : {"log", "blocks", "set-aside"}) {
    const auto status = std::filesystem::status(directory / part, error);
    if (status.type() == std::filesystem::file_type::not_found) continue;
    const bool empty = std::filesystem::is_empty(directory / part, error);
    if (error || !empty) return true;
  }
  return false;
}

}  // namespace paxledger::control
