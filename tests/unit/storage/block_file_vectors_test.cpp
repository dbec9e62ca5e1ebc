// Makes tests/vectors/block_files.json; see support/vector_file.hpp.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ledger/block.hpp"
#include "ledger/chain.hpp"
#include "ledger/checkpoint.hpp"
#include "storage/block_file.hpp"
#include "storage/crc32c.hpp"
#include "support/vector_file.hpp"

namespace paxledger::storage {
namespace {

using test::Vectors;

const std::string kClusterName = "paxledger-vectors";

// One command as kv/command.hpp lays it out; storage itself does not care what stands in a block.
std::string put_command(std::uint64_t sequence, const std::string& key, const std::string& value) {
  std::string octets("\x01\x03", 2);
  append_le(octets, static_cast<std::uint16_t>(key.size()));
  append_le(octets, static_cast<std::uint32_t>(value.size()));
  append_le(octets, std::uint64_t{0x5e55});
  append_le(octets, sequence);
  append_le(octets, sequence - 1);
  append_le(octets, std::uint64_t{0});
  return octets + key + value;
}

ledger::Block next_block(ledger::Chain& chain, const std::vector<std::string>& commands) {
  const std::vector<std::string_view> views(commands.begin(), commands.end());
  std::string ops;
  for (const auto view : views) {
    append_le(ops, static_cast<std::uint32_t>(view.size()));
    ops += view;
  }
  const Timestamp proposed(1'767'225'600'000'000 + chain.height().value() * 1000);
  return chain.extend(SharedBytes(ops), views, proposed, 4, 0);
}

// A chain of five blocks in two files: three and two.
TEST(BlockFileVectors, AreWhatTheFormatSays) {
  const ClusterId cluster = ledger::cluster_id(kClusterName);
  ledger::Chain chain(cluster);
  const std::vector<std::vector<std::string>> history = {
      {},
      {put_command(1, "alice", "555-0100")},
      {put_command(2, "bob", "555-0101"), put_command(3, "carol", std::string(40, '\xc3'))},
      {},
      {put_command(4, "alice", "555-0199")}};
  Vectors files = Vectors::array();
  std::string octets;
  std::string name;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (i == 0 || i == 3) {
      if (i == 3) files.push_back({{"name", name}, {"octets", to_hex(octets)}});
      name = block_file_name(chain.height().next());
      octets = encode_block_file_header({cluster, chain.height().next(), chain.hash()});
    }
    const ledger::Block block = next_block(chain, history[i]);
    append_frame(octets, block.header.height, ledger::encode_block(block));
  }
  files.push_back({{"name", name}, {"octets", to_hex(octets)}});

  Vectors checksums = Vectors::array();
  for (const std::string& text : {std::string(), std::string("123456789"), std::string(32, '\0')}) {
    checksums.push_back({{"octets", to_hex(text)}, {"crc32c", crc32c(text)}});
  }
  test::expect_vectors("block_files",
                       {{"cluster", kClusterName},
                        {"files", files},
                        {"checkpoint", ledger::to_text({cluster, chain.height(), chain.hash()})},
                        {"checksums", checksums}});
}

}  // namespace
}  // namespace paxledger::storage
