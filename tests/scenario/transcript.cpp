#include "scenario/transcript.hpp"

#include <algorithm>
#include <sstream>

#include "scenario/stage.hpp"

namespace paxledger::sim {

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TranscriptCheck check_transcript(const std::string& text) {
  Stage stage;
  TranscriptCheck check;
  bool in_output = false;
  for (const auto& line : lines_of(text)) {
    if (line.starts_with("> ")) {
      check.actual += line + "\n";
      for (const auto& output : stage.perform(line.substr(2))) check.actual += output + "\n";
      in_output = true;
    } else if (line.empty() || line.starts_with("#")) {
      check.actual += line + "\n";
      in_output = false;
    } else if (!in_output) {
      check.actual += line + "\n";
    }
  }
  check.violations = stage.violations();
  check.difference = line_difference(text, check.actual);
  check.equal = check.difference.empty();
  return check;
}

std::string line_difference(const std::string& expected, const std::string& actual) {
  const auto a = lines_of(expected);
  const auto b = lines_of(actual);
  if (a == b) return {};
  // Longest common subsequence, from the ends.
  std::vector<std::vector<std::size_t>> common(a.size() + 1,
                                               std::vector<std::size_t>(b.size() + 1, 0));
  for (std::size_t i = a.size(); i-- > 0;) {
    for (std::size_t j = b.size(); j-- > 0;) {
      common[i][j] =
          a[i] == b[j] ? common[i + 1][j + 1] + 1 : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  std::vector<std::string> marked;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      marked.push_back("  " + a[i]);
      ++i, ++j;
    } else if (j == b.size() || (i < a.size() && common[i + 1][j] >= common[i][j + 1])) {
      marked.push_back("- " + a[i++]);
    } else {
      marked.push_back("+ " + b[j++]);
    }
  }
  std::string text;
  constexpr std::size_t kContext = 3;
  for (std::size_t k = 0; k < marked.size(); ++k) {
    const std::size_t low = k > kContext ? k - kContext : 0;
    const std::size_t high = std::min(marked.size(), k + kContext + 1);
    const bool near = std::any_of(marked.begin() + static_cast<std::ptrdiff_t>(low),
                                  marked.begin() + static_cast<std::ptrdiff_t>(high),
                                  [](const std::string& line) { return line[0] != ' '; });
    if (near) text += marked[k] + "\n";
  }
  return text;
}

}  // namespace paxledger::sim
