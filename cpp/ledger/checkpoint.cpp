#include "ledger/checkpoint.hpp"

#include <charconv>
#include <cstdint>

#include "ledger/block.hpp"

namespace paxledger::ledger {
namespace {

constexpr std::string_view kName = "paxledger/checkpoint/1";
constexpr std::size_t kCheckpointBytes = kName.size() + 1 + 8 + 8 + 32;

Result<Checkpoint> checked(const Checkpoint& checkpoint, ErrorCode code) {
  if (checkpoint.height == Height(0) && checkpoint.head != genesis(checkpoint.cluster)) {
    return Error{code, "checkpoint: the head at height 0 is not the cluster's genesis"};
  }
  return checkpoint;
}

// The whole of `text` as a number without superfluous signs or zeros.
bool parse_number(std::string_view text, int base, std::uint64_t& number) {
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, base);
  return error == std::errc() && stop == end;
}

bool is_lower_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::uint8_t hex_digit(char digit) {
  return static_cast<std::uint8_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

std::string hex_number(std::uint64_t number) {
  std::string octets;
  for (int shift = 56; shift >= 0; shift -= 8) octets.push_back(static_cast<char>(number >> shift));
  return to_hex(octets);
}

}  // namespace

std::string encode_checkpoint(const Checkpoint& checkpoint) {
  std::string octets(kName);
  octets.push_back('\0');
  append_le(octets, checkpoint.cluster.value());
  append_le(octets, checkpoint.height.value());
  octets += checkpoint.head.view();
  return octets;
}

Result<Checkpoint> decode_checkpoint(std::string_view octets) {
  if (octets.size() != kCheckpointBytes) {
    return Error{ErrorCode::damaged, "checkpoint: " + std::to_string(octets.size()) +
                                         " octets, expected " + std::to_string(kCheckpointBytes)};
  }
  if (octets.substr(0, kName.size()) != kName || octets[kName.size()] != '\0') {
    return Error{ErrorCode::damaged, "checkpoint: does not begin with " + std::string(kName)};
  }
  const std::size_t at = kName.size() + 1;
  Checkpoint checkpoint;
  checkpoint.cluster = ClusterId(read_le<std::uint64_t>(octets, at));
  checkpoint.height = Height(read_le<std::uint64_t>(octets, at + 8));
  checkpoint.head = Digest::from(octets.substr(at + 16, 32));
  return checked(checkpoint, ErrorCode::damaged);
}

std::string to_text(const Checkpoint& checkpoint) {
  return std::string(kName) + " " + hex_number(checkpoint.cluster.value()) + " " +
         std::to_string(checkpoint.height.value()) + " " + checkpoint.head.hex();
}

Result<Checkpoint> parse_checkpoint(std::string_view text) {
  const Error expected{ErrorCode::bad_request,
                       "checkpoint: expected \"" + std::string(kName) +
                           " CLUSTER HEIGHT HEAD\" with 16, decimal and 64 hexadecimal digits"};
  const std::string prefix = std::string(kName) + " ";
  if (text.substr(0, prefix.size()) != prefix) return expected;
  text.remove_prefix(prefix.size());

  const std::size_t first = text.find(' ');
  const std::size_t second = text.find(' ', first == text.npos ? first : first + 1);
  if (first != 16 || second == text.npos) return expected;
  const std::string_view cluster = text.substr(0, first);
  const std::string_view height = text.substr(first + 1, second - first - 1);
  const std::string_view head = text.substr(second + 1);

  std::uint64_t cluster_number = 0;
  std::uint64_t height_number = 0;
  if (!is_lower_hex(cluster) || !parse_number(cluster, 16, cluster_number)) return expected;
  if (!parse_number(height, 10, height_number)) return expected;
  if (height != std::to_string(height_number)) return expected;
  if (head.size() != 64 || !is_lower_hex(head)) return expected;

  Checkpoint checkpoint{ClusterId(cluster_number), Height(height_number), {}};
  for (std::size_t i = 0; i < checkpoint.head.octets.size(); ++i) {
    checkpoint.head.octets[i] =
        static_cast<std::uint8_t>(hex_digit(head[2 * i]) << 4 | hex_digit(head[2 * i + 1]));
  }
  return checked(checkpoint, ErrorCode::bad_request);
}

}  // namespace paxledger::ledger
