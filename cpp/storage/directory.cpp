#include "storage/directory.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/bytes.hpp"
#include "storage/crc32c.hpp"

namespace paxledger::storage {

namespace {

constexpr std::string_view kTitle = "paxledger-data-directory ";

std::string hex_of(std::uint64_t value, int digits) {
  std::string text(static_cast<std::size_t>(digits), '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, value >>= 4) {
    *digit = "0123456789abcdef"[value & 0xF];
  }
  return text;
}

template <class Integer>
bool parse(std::string_view text, Integer& value, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

// One line for a name, whatever it holds.
std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7F || c == '\\') {
      out += "\\x" + hex_of(octet, 2);
    } else {
      out += c;
    }
  }
  return out;
}

bool unescape(std::string_view text, std::string& name) {
  name.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      name += text[i];
      continue;
    }
    unsigned octet = 0;
    if (text.substr(i, 2) != "\\x" || !parse(text.substr(i + 2, 2), octet, 16)) return false;
    name += static_cast<char>(octet);
    i += 3;
  }
  return true;
}

std::string_view word_of(Identity::State state) {
  switch (state) {
    case Identity::State::initialising:
      return "initialising";
    case Identity::State::rejoining:
      return "rejoining";
    case Identity::State::ready:
      break;
  }
  return "ready";
}

// Takes "KEY value LF" off the front of `text`.
bool take_line(std::string_view& text, std::string_view key, std::string_view& value) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || text.substr(0, key.size()) != key) return false;
  value = text.substr(key.size(), end - key.size());
  text.remove_prefix(end + 1);
  return true;
}

Error refusal(std::string message) {
  return {ErrorCode::configuration, std::move(message)};
}

std::string described(const Identity& identity) {
  return "node " + std::to_string(identity.node.value()) + " of cluster '" + identity.cluster_name +
         "'";
}

std::string rejoin_command(const Identity& identity) {
  return "`paxledger up --rejoin " + std::to_string(identity.node.value()) +
         "` (`paxledgerd --rejoin`)";
}

Result<std::string> read_file(Disk& disk, const std::string& path) {
  auto file = disk.open(path, Disk::Access::read);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  // An identity is a few lines; what is longer is none.
  std::string octets(std::min<std::uint64_t>(*size, 65'536), '\0');
  const auto count = (*file)->read_at(0, octets);
  if (!count) return count.error();
  octets.resize(*count);
  return octets;
}

// Whether a part of the directory that this program makes holds anything.
Result<bool> has_content(Disk& disk, const DirectoryPaths& paths) {
  for (const std::string& part : {paths.log(), paths.blocks(), paths.set_aside()}) {
    const auto there = disk.exists(part);
    if (!there) return there.error();
    if (!*there) continue;
    const auto names = disk.list(part);
    if (!names) return names.error();
    if (!names->empty()) return true;
  }
  return false;
}

Result<void> write_identity(Disk& disk, const DirectoryPaths& paths, const Identity& identity) {
  const std::string fresh = paths.identity() + ".new";
  const auto there = disk.exists(fresh);
  if (!there) return there.error();
  if (*there) {
    const auto removed = disk.remove(fresh);
    if (!removed) return removed.error();
  }
  auto file = disk.open(fresh, Disk::Access::create);
  if (!file) return file.error();
  const auto written = (*file)->write_at(0, encode_identity(identity));
  if (!written) return written.error();
  const auto synced = (*file)->sync();
  if (!synced) return synced.error();
  const auto renamed = disk.rename(fresh, paths.identity());
  if (!renamed) return renamed.error();
  return disk.sync_directory(paths.root);
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::string encode_identity(const Identity& identity) {
  std::string text(kTitle);
  text += std::to_string(kDirectoryFormatVersion) + "\n";
  text += "cluster-id " + hex_of(identity.cluster.value(), 16) + "\n";
  text += "cluster-name " + escaped(identity.cluster_name) + "\n";
  text += "node " + std::to_string(identity.node.value()) + "\n";
  text += "state " + std::string(word_of(identity.state)) + "\n";
  return text + "crc32c " + hex_of(crc32c(text), 8) + "\n";
}

Result<Identity> decode_identity(std::string_view octets) {
  const Error damaged{ErrorCode::damaged, "the identity file is damaged"};
  constexpr std::size_t kCrcLineBytes = 16;
  if (octets.size() < kCrcLineBytes) return damaged;
  std::string_view text = octets.substr(0, octets.size() - kCrcLineBytes);
  // Compared as text: one encoding only, so that no octet of the file goes unchecked.
  if (octets.substr(text.size()) != "crc32c " + hex_of(crc32c(text), 8) + "\n") return damaged;

  std::string_view version;
  std::string_view cluster;
  std::string_view name;
  std::string_view node;
  std::string_view state;
  unsigned version_number = 0;
  if (!take_line(text, kTitle, version) || !parse(version, version_number, 10)) return damaged;
  if (version_number > kDirectoryFormatVersion) {
    return refusal("the directory has format " + std::string(version) +
                   ", newer than this program, which reads up to " +
                   std::to_string(kDirectoryFormatVersion));
  }
  Identity identity;
  std::uint64_t cluster_id = 0;
  std::uint32_t node_id = 0;
  if (!take_line(text, "cluster-id ", cluster) || !parse(cluster, cluster_id, 16) ||
      !take_line(text, "cluster-name ", name) || !unescape(name, identity.cluster_name) ||
      !take_line(text, "node ", node) || !parse(node, node_id, 10) ||
      !take_line(text, "state ", state) || !text.empty()) {
    return damaged;
  }
  identity.cluster = ClusterId(cluster_id);
  identity.node = NodeId(node_id);
  for (const auto known :
       {Identity::State::initialising, Identity::State::rejoining, Identity::State::ready}) {
    if (state != word_of(known)) continue;
    identity.state = known;
    return identity;
  }
  return damaged;
}

Result<std::string> path_aside(Disk& disk, const std::string& name, const std::string& set_aside) {
  const std::string stem = set_aside + "/" + name + ".";
  for (unsigned number = 1;; ++number) {
    std::string path = stem + std::to_string(number);
    const auto taken = disk.exists(path);
    if (!taken) return taken.error();
    if (!*taken) return path;
  }
}

Result<std::string> move_aside(Disk& disk, const std::string& directory, const std::string& name,
                               const std::string& set_aside) {
  auto to = path_aside(disk, name, set_aside);
  if (!to) return to.error();
  const std::string from = directory + "/" + name;
  const auto renamed = disk.rename(from, *to);
  if (!renamed) return renamed.error();
  return to;
}

Result<DataDirectory> DataDirectory::open(Disk& disk, const std::string& root,
                                          const Identity& wanted, OpenMode mode) {
  DataDirectory directory;
  directory.paths_.root = root;
  const auto existed = disk.exists(root);
  if (!existed) return existed.error();
  if (!*existed && mode == OpenMode::open_existing) {
    return refusal("the data directory " + root + " of " + described(wanted) +
                   " is missing: use `paxledger up` for a new cluster, or " +
                   rejoin_command(wanted) + " if this node lost its disk");
  }
  const auto made = disk.make_directories(root);
  if (!made) return made.error();
  auto lock = disk.lock(directory.paths_.lock());
  if (!lock) return lock.error();
  directory.lock_ = std::move(*lock);
  const auto adopted = directory.adopt(disk, wanted, mode);
  if (!adopted) return adopted.error();
  return directory;
}

Result<DataDirectory> DataDirectory::inspect(Disk& disk, const std::string& root) {
  DataDirectory directory;
  directory.paths_.root = root;
  const auto there = disk.exists(directory.paths_.identity());
  if (!there) return there.error();
  if (!*there) return refusal(root + " is no data directory: it has no file `identity`");
  auto lock = disk.lock(directory.paths_.lock());
  if (!lock) return lock.error();
  directory.lock_ = std::move(*lock);
  const auto octets = read_file(disk, directory.paths_.identity());
  if (!octets) return octets.error();
  auto identity = decode_identity(*octets);
  if (!identity) {
    return Error{identity.error().code,
                 directory.paths_.identity() + ": " + identity.error().message};
  }
  directory.identity_ = std::move(*identity);
  return directory;
}

// Decides by what is there and what was asked for; see OpenMode.
Result<void> DataDirectory::adopt(Disk& disk, const Identity& wanted, OpenMode mode) {
  const std::string path = paths_.identity();
  const auto there = disk.exists(path);
  if (!there) return there.error();
  if (!*there) return adopt_without_identity(disk, wanted, mode);

  const auto octets = read_file(disk, path);
  if (!octets) return octets.error();
  const auto found = decode_identity(*octets);
  if (!found) {
    const Error error{found.error().code, path + ": " + found.error().message};
    if (error.code != ErrorCode::damaged) return error;
    if (mode != OpenMode::rejoin) {
      return Error{error.code, error.message + ". If this is the directory of " +
                                   described(wanted) + ", start it with " + rejoin_command(wanted) +
                                   ": its log is set aside and the node rejoins the cluster"};
    }
    return set_aside_identity(disk, wanted);
  }
  if (found->cluster != wanted.cluster || found->cluster_name != wanted.cluster_name ||
      found->node != wanted.node) {
    return refusal("the data directory " + paths_.root + " belongs to " + described(*found) +
                   ", not to " + described(wanted));
  }
  if (found->state != Identity::State::ready) {
    notices_.push_back({Notice::Level::info,
                        "the beginning of " + paths_.root + " was interrupted and is repeated"});
    return begin(disk, wanted,
                 mode == OpenMode::rejoin ? Identity::State::rejoining : found->state);
  }
  if (mode == OpenMode::initialise) {
    return refusal("the data directory " + paths_.root + " of " + described(wanted) +
                   " is not empty: a new cluster does not begin over an old one");
  }
  if (mode == OpenMode::rejoin) {
    notices_.push_back({Notice::Level::info, "--rejoin has no effect: the data directory " +
                                                 paths_.root + " of this node is there"});
  }
  identity_ = *found;
  return is_begun(disk);  // the mark can only have been put there by a copy of another directory
}

Result<void> DataDirectory::adopt_without_identity(Disk& disk, const Identity& wanted,
                                                   OpenMode mode) {
  const auto content = has_content(disk, paths_);
  if (!content) return content.error();
  if (mode == OpenMode::rejoin) return begin(disk, wanted, Identity::State::rejoining);
  if (*content) {
    return refusal("the data directory " + paths_.root +
                   " is not empty, but its file `identity` is missing. If it is the directory of " +
                   described(wanted) + ", start it with " + rejoin_command(wanted));
  }
  if (mode == OpenMode::open_existing) {
    return refusal("the data directory " + paths_.root + " of " + described(wanted) +
                   " is empty: use `paxledger up` for a new cluster, or " + rejoin_command(wanted) +
                   " if this node lost its disk");
  }
  return begin(disk, wanted, Identity::State::initialising);
}

Result<void> DataDirectory::set_aside_identity(Disk& disk, const Identity& wanted) {
  const auto made = disk.make_directories(paths_.set_aside());
  if (!made) return made.error();
  const auto moved = move_aside(disk, paths_.root, "identity", paths_.set_aside());
  if (!moved) return moved.error();
  const auto settled = disk.sync_directory(paths_.set_aside());
  if (!settled) return settled.error();
  notices_.push_back(
      {Notice::Level::warning, "the damaged identity file was set aside as " + *moved});
  return begin(disk, wanted, Identity::State::rejoining);
}

Result<void> DataDirectory::begin(Disk& disk, const Identity& wanted, Identity::State state) {
  for (const std::string& part : {paths_.log(), paths_.blocks(), paths_.set_aside()}) {
    const auto made = disk.make_directories(part);
    if (!made) return made.error();
  }
  const auto begun = is_begun(disk);
  if (!begun) return begun.error();
  identity_ = wanted;
  identity_.state = state;
  const auto written = write_identity(disk, paths_, identity_);
  if (!written) return written.error();
  return disk.sync_directory(parent_of(paths_.root));
}

// From here on this node may have voted: nobody shall take it for one that never began. The order
// is what counts, so this is durable before there is an identity.
Result<void> DataDirectory::is_begun(Disk& disk) {
  const auto there = disk.exists(paths_.unbegun());
  if (!there) return there.error();
  if (!*there) return {};
  const auto removed = disk.remove(paths_.unbegun());
  if (!removed) return removed.error();
  return disk.sync_directory(parent_of(paths_.root));
}

Result<void> DataDirectory::mark_ready(Disk& disk) {
  identity_.state = Identity::State::ready;
  return write_identity(disk, paths_, identity_);
}

}  // namespace paxledger::storage
