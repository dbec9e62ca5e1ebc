#include "engine/batch.hpp"

#include <string>

#include "ledger/block.hpp"

namespace paxledger::engine {

SharedBytes encode_batch(Timestamp timestamp, std::uint8_t work_bits,
                         const std::vector<SharedBytes>& commands) {
  std::size_t bytes = kBatchHeaderBytes;
  for (const auto& command : commands) bytes += sizeof(std::uint32_t) + command.size();

  std::uint64_t nonce = 0;
  if (work_bits > 0) {
    std::vector<std::string_view> views;
    views.reserve(commands.size());
    for (const auto& command : commands) views.push_back(command.view());
    nonce = ledger::find_work(ledger::ops_root(views), work_bits);
  }

  std::string octets;
  octets.reserve(bytes);
  append_le<std::uint8_t>(octets, kBatchVersion);
  append_le<std::uint8_t>(octets, work_bits);
  append_le<std::uint16_t>(octets, 0);
  append_le<std::uint32_t>(octets, static_cast<std::uint32_t>(commands.size()));
  append_le<std::uint64_t>(octets, timestamp.microseconds());
  append_le<std::uint64_t>(octets, nonce);
  for (const auto& command : commands) {
    append_le<std::uint32_t>(octets, static_cast<std::uint32_t>(command.size()));
    octets += command.view();
  }
  return SharedBytes(std::move(octets));
}

Result<Batch> decode_batch(const SharedBytes& octets) {
  const std::string_view view = octets.view();
  if (view.size() < kBatchHeaderBytes) {
    return Error{ErrorCode::damaged, "a batch is shorter than its header"};
  }
  if (read_le<std::uint8_t>(view, 0) != kBatchVersion || read_le<std::uint16_t>(view, 2) != 0) {
    return Error{ErrorCode::damaged, "a batch has an unknown version"};
  }
  Batch batch;
  batch.work_bits = read_le<std::uint8_t>(view, 1);
  if (batch.work_bits > ledger::kWorkBitsMax) {
    return Error{ErrorCode::damaged, "a batch asks for more work than is allowed"};
  }
  const auto op_count = read_le<std::uint32_t>(view, 4);
  batch.timestamp = Timestamp(read_le<std::uint64_t>(view, 8));
  batch.nonce = read_le<std::uint64_t>(view, 16);
  batch.ops = octets.slice(kBatchHeaderBytes);
  auto commands = ledger::split_ops(batch.ops.view(), op_count);
  if (!commands) return commands.error();
  batch.commands = std::move(*commands);
  if (batch.work_bits > 0 &&
      !ledger::has_work(ledger::ops_root(batch.commands), batch.nonce, batch.work_bits)) {
    return Error{ErrorCode::damaged, "a batch lacks the proof of work that it states"};
  }
  return batch;
}

}  // namespace paxledger::engine
