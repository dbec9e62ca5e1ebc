#include "cli/chain_reader.hpp"

#include <string>

namespace paxledger::cli {
namespace {

// The greatest height that the client protocol takes.
constexpr Height kBeyondEveryHead((std::uint64_t{1} << 62) - 1);

}  // namespace

Result<void> read_blocks(client::Client& db, const client::CallOptions& call, Height first,
                         Height last, const BlockSink& sink) {
  while (first <= last) {
    auto page = db.chain(first, call).get();
    if (!page) return page.error();
    if (page->first != first || page->blocks.empty()) {
      return Error{ErrorCode::bad_request, "the node has no block " +
                                               std::to_string(first.value()) + "; its height is " +
                                               std::to_string(page->head.value())};
    }
    for (const SharedBytes& octets : page->blocks) {
      auto block = ledger::decode_block(octets);
      if (!block) return block.error();
      if (block->header.height != first) {
        return Error{ErrorCode::damaged,
                     "the node gave block " + std::to_string(block->header.height.value()) +
                         " where block " + std::to_string(first.value()) + " was asked for"};
      }
      if (auto taken = sink(*block); !taken) return taken;
      first = first.next();
      if (first > last) break;
    }
  }
  return {};
}

Result<Height> height_of_node(client::Client& db, const client::CallOptions& call) {
  // Above every head there is nothing but the answer of where the head is.
  const auto page = db.chain(kBeyondEveryHead, call).get();
  if (!page) return page.error();
  return page->head;
}

}  // namespace paxledger::cli
