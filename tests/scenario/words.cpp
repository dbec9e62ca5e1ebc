#include "scenario/words.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

namespace paxledger::sim {

std::vector<std::string> split_words(const std::string& line) {
  std::vector<std::string> words;
  std::istringstream stream(line);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::optional<std::string> option(const std::vector<std::string>& words, const std::string& name) {
  for (const auto& word : words) {
    if (word.starts_with(name + "=")) return word.substr(name.size() + 1);
  }
  return std::nullopt;
}

std::uint64_t number(const std::string& word) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) {
    throw BadCommand{"'" + word + "' is not a number"};
  }
  return value;
}

std::uint64_t number_option(const std::vector<std::string>& words, const std::string& name,
                            std::uint64_t otherwise) {
  const auto found = option(words, name);
  return found ? number(*found) : otherwise;
}

Duration duration(const std::string& word) {
  if (word.ends_with("ms")) {
    return std::chrono::milliseconds(number(word.substr(0, word.size() - 2)));
  }
  if (word.ends_with("s")) return std::chrono::seconds(number(word.substr(0, word.size() - 1)));
  throw BadCommand{"'" + word + "' is not a duration such as 50ms or 2s"};
}

NodeId node_id(const std::string& word) {
  return NodeId(static_cast<std::uint32_t>(number(word)));
}

std::vector<NodeId> node_ids(const std::string& word) {
  std::string spaced = word;
  std::replace(spaced.begin(), spaced.end(), ',', ' ');
  std::vector<NodeId> nodes;
  for (const auto& part : split_words(spaced)) nodes.push_back(node_id(part));
  return nodes;
}

}  // namespace paxledger::sim
