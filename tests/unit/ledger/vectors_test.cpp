// Makes tests/vectors/ledger.json; see support/vector_file.hpp.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ledger/block.hpp"
#include "ledger/chain.hpp"
#include "ledger/checkpoint.hpp"
#include "ledger/merkle.hpp"
#include "support/vector_file.hpp"

namespace paxledger::ledger {
namespace {

using test::Vectors;

const std::string kClusterName = "paxledger-vectors";

std::vector<std::string> entries(std::size_t count) {
  std::vector<std::string> made;
  for (std::size_t i = 0; i < count; ++i) made.emplace_back(i, static_cast<char>(0xf0 + i));
  return made;
}

std::vector<Digest> leaves_of(const std::vector<std::string>& made) {
  std::vector<Digest> leaves;
  for (const auto& entry : made) leaves.push_back(merkle_leaf(entry));
  return leaves;
}

Vectors hex_of(const MerkleProof& proof) {
  Vectors list = Vectors::array();
  for (const Digest& digest : proof) list.push_back(digest.hex());
  return list;
}

Vectors clusters() {
  Vectors list = Vectors::array();
  for (const std::string name : {"paxledger", "demo", "", "Zürich"}) {
    const ClusterId id = cluster_id(name);
    list.push_back({{"name", name}, {"cluster_id", id.value()}, {"genesis", genesis(id).hex()}});
  }
  return list;
}

Vectors fields(const BlockHeader& header) {
  return {{"format_version", header.format_version},
          {"work_bits", header.work_bits},
          {"op_count", header.op_count},
          {"height", header.height.value()},
          {"timestamp", header.timestamp.microseconds()},
          {"nonce", header.nonce},
          {"previous", header.previous.hex()},
          {"ops_root", header.ops_root.hex()}};
}

Vectors headers() {
  Vectors list = Vectors::array();
  BlockHeader plain;
  plain.height = Height(1);
  plain.ops_root = ops_root({});
  plain.previous = genesis(cluster_id(kClusterName));
  BlockHeader full;
  full.work_bits = 24;
  full.op_count = UINT32_MAX;
  full.height = Height(0x0102030405060708);
  full.timestamp = Timestamp(0xf1f2f3f4f5f6f7f8);
  full.nonce = UINT64_MAX;
  full.previous.octets.fill(0xff);
  full.ops_root.octets.fill(0x80);
  for (const BlockHeader& header : {plain, full}) {
    Vectors vector = fields(header);
    vector["octets"] = to_hex(encode_header(header));
    vector["hash"] = hash_header(header).hex();
    list.push_back(std::move(vector));
  }
  return list;
}

Vectors work() {
  Vectors list = Vectors::array();
  for (const int bits : {0, 1, 8, 12, 16}) {
    const Digest root = ops_root({"work", std::to_string(bits)});
    list.push_back({{"ops_root", root.hex()},
                    {"work_bits", bits},
                    {"nonce", find_work(root, static_cast<std::uint8_t>(bits))}});
  }
  return list;
}

Vectors merkle() {
  const auto made = entries(13);
  const auto leaves = leaves_of(made);
  const std::span<const Digest> all(leaves);
  Vectors document;
  document["entries"] = Vectors::array();
  for (const auto& entry : made) document["entries"].push_back(to_hex(entry));
  document["roots"] = Vectors::array();
  document["inclusion"] = Vectors::array();
  document["consistency"] = Vectors::array();
  for (std::size_t size = 0; size <= leaves.size(); ++size) {
    document["roots"].push_back(merkle_root(all.first(size)).hex());
    if (size != 1 && size != 7 && size != 8 && size != 13) continue;
    for (std::size_t index = 0; index < size; ++index) {
      document["inclusion"].push_back({{"size", size},
                                       {"index", index},
                                       {"proof", hex_of(inclusion_proof(all.first(size), index))}});
      document["consistency"].push_back(
          {{"old_size", index + 1},
           {"new_size", size},
           {"proof", hex_of(consistency_proof(all.first(size), index + 1))}});
    }
  }
  return document;
}

Vectors chain() {
  const ClusterId cluster = cluster_id(kClusterName);
  Chain chain(cluster);
  Vectors blocks = Vectors::array();
  const std::vector<std::vector<std::string>> history = {
      {}, {"one"}, {"two", "", "three"}, entries(9), {}, {std::string(1000, 'x')}};
  for (std::size_t i = 0; i < history.size(); ++i) {
    const std::vector<std::string_view> commands(history[i].begin(), history[i].end());
    std::string ops;
    for (const auto command : commands) {
      append_le(ops, static_cast<std::uint32_t>(command.size()));
      ops += command;
    }
    // The fourth block is proposed with a clock that lags; the fifth and sixth do some work.
    const Timestamp proposed(i == 3 ? 5 : 1'767'225'600'000'000 + i * 1000);
    const Block block = chain.extend(SharedBytes(ops), commands, proposed, i >= 4 ? 10 : 0, 0);
    Vectors vector = fields(block.header);
    vector["hash"] = block.hash.hex();
    vector["octets"] = to_hex(encode_block(block));
    blocks.push_back(std::move(vector));
  }
  const Checkpoint checkpoint{cluster, chain.height(), chain.hash()};
  return {{"cluster", kClusterName},
          {"blocks", blocks},
          {"checkpoint_text", to_text(checkpoint)},
          {"checkpoint_octets", to_hex(encode_checkpoint(checkpoint))}};
}

TEST(LedgerVectors, AreWhatTheFormatSays) {
  test::expect_vectors("ledger", {{"clusters", clusters()},
                                  {"headers", headers()},
                                  {"work", work()},
                                  {"merkle", merkle()},
                                  {"chain", chain()}});
}

}  // namespace
}  // namespace paxledger::ledger
