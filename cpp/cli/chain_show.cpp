// chain show and chain export.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <utility>

#include "cli/chain_commands.hpp"
#include "cli/chain_reader.hpp"
#include "cli/history_file.hpp"
#include "cli/operation_view.hpp"
#include "cli/table.hpp"
#include "cli/terminal_text.hpp"
#include "ledger/block.hpp"
#include "ledger/chain.hpp"

namespace paxledger::cli {
namespace {

constexpr std::size_t kHashDigitsShown = 12;
// On a narrow terminal the operations need the room more than the hashes and microseconds do.
constexpr std::size_t kNarrow = 110;
constexpr std::size_t kHashDigitsShownNarrow = 8;
constexpr std::size_t kOperationsShown = 4;

std::string block_time(const ledger::Block& block, bool narrow) {
  std::string text = time_text(block.header.timestamp.microseconds());
  const std::size_t fraction = text.find('.');
  if (narrow && fraction != std::string::npos) text.replace(fraction, std::string::npos, "Z");
  return text;
}

void print_blocks(const std::vector<ledger::Block>& blocks, bool full) {
  Table table({{"HEIGHT", Table::Align::right},
               {"TIME"},
               {"HASH"},
               {"PREVIOUS"},
               {"NONCE", Table::Align::right},
               {"OPERATIONS", Table::Align::left, Table::Kind::elastic}});
  const std::size_t width = full ? Table::kUnlimited : output_columns();
  const bool narrow = width < kNarrow;
  const std::size_t digits = full ? 64 : narrow ? kHashDigitsShownNarrow : kHashDigitsShown;
  for (const auto& block : blocks) {
    auto operations = operation_cells(block);
    if (!full && operations.size() > kOperationsShown) {
      const std::size_t more = operations.size() - (kOperationsShown - 1);
      operations.resize(kOperationsShown - 1, "");
      operations.emplace_back("… and " + std::to_string(more) + " more");
    }
    table.add({std::to_string(block.header.height.value()), block_time(block, narrow),
               block.hash.hex().substr(0, digits), block.header.previous.hex().substr(0, digits),
               std::to_string(block.header.nonce), operations.front()});
    for (std::size_t i = 1; i < operations.size(); ++i) {
      table.add({"", "", "", "", "", operations[i]});
    }
  }
  std::cout << table.text(width);
}

}  // namespace

ExitCode chain_show(const CommonOptions& options, const ChainArguments& arguments) {
  if (arguments.from && arguments.to && *arguments.from > *arguments.to) {
    return report(options, {ErrorCode::configuration,
                            "--from " + std::to_string(*arguments.from) + " lies above --to " +
                                std::to_string(*arguments.to) + "; expected the lower one first"});
  }
  const auto target = find_target(options);
  if (!target) return report(options, target.error());
  auto db = connect(options, *target);
  if (!db) return report(options, db.error());
  client::CallOptions call;
  if (arguments.node) {
    const auto endpoint = endpoint_of(**db, *target, *arguments.node);
    if (!endpoint) return report(options, endpoint.error());
    call.endpoint = *endpoint;
  }
  const auto head = height_of_node(**db, call);
  if (!head) return report_read(options, head.error());
  const std::uint64_t last = std::min(arguments.to.value_or(head->value()), head->value());
  std::uint64_t first = arguments.from.value_or(0);
  if (!arguments.from) first = last - std::min(last, arguments.last) + 1;
  std::vector<ledger::Block> blocks;
  const auto read = read_blocks(**db, call, Height(std::max<std::uint64_t>(first, 1)), Height(last),
                                [&](const ledger::Block& block) -> Result<void> {
                                  blocks.push_back(block);
                                  return {};
                                });
  if (!read) return report_read(options, read.error());
  if (options.json()) {
    Json list = Json::array();
    for (const auto& block : blocks) list.push_back(block_view(block));
    std::cout << dump(Json{{"head", head->value()}, {"blocks", std::move(list)}}) << "\n";
  } else if (blocks.empty()) {
    std::cout << "no blocks; the head is at height " << head->value() << "\n";
  } else {
    print_blocks(blocks, arguments.full);
  }
  return ExitCode::ok;
}

ExitCode chain_export(const CommonOptions& options, const ChainArguments& arguments) {
  const auto target = find_target(options);
  if (!target) return report(options, target.error());
  auto db = connect(options, *target);
  if (!db) return report(options, db.error());
  // All from one node, so that no page can come from another history.
  const auto about = endpoints_about(**db, *target, arguments.node);
  if (!about) return report(options, about.error());
  const auto answers = ask(**db, "status", *about, timeout_of(options));
  const auto one = std::find_if(answers.begin(), answers.end(),
                                [](const client::Outcome& answer) { return answer.ok(); });
  if (one == answers.end()) return report_read(options, answers.front().error());
  client::CallOptions call;
  call.endpoint = (*about)[static_cast<std::size_t>(one - answers.begin())];
  const std::string cluster = get_or(parse(one->value.view()), "cluster", std::string());
  const auto head = height_of_node(**db, call);
  if (!head) return report_read(options, head.error());

  std::ofstream out(arguments.file, std::ios::binary | std::ios::trunc);
  if (!out) return report(options, {ErrorCode::io, "cannot write " + arguments.file});
  write_history_head(out, cluster);
  ledger::Chain chain(ledger::cluster_id(cluster));
  const auto read =
      read_blocks(**db, call, Height(1), *head, [&](const ledger::Block& block) -> Result<void> {
        if (auto linked = chain.append(block); !linked) return linked;
        write_history_block(out, block);
        return {};
      });
  out.flush();
  if (!read) return report_read(options, read.error());
  if (!out) return report(options, {ErrorCode::io, "cannot write all of " + arguments.file});
  if (options.json()) {
    std::cout << dump(Json{{"file", arguments.file},
                           {"height", chain.height().value()},
                           {"head", chain.hash().hex()}})
              << "\n";
  } else {
    std::cout << "exported " << grouped(chain.height().value()) << " blocks to " << arguments.file
              << "; head " << chain.hash().hex() << "\n";
  }
  return ExitCode::ok;
}

}  // namespace paxledger::cli
