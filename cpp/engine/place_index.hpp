// Finds the places of things that stand in a vector, by what they are looked up by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace paxledger::engine {

// A hash table (open addressing, linear probing) that holds neither keys nor things: the caller
// gives hashes, and says which of the places found is meant. So looking up, adding and removing
// allocate nothing once the table is as large as it gets. Nothing depends on its order.
//
// Invariant: a cell is reached from the cell of its hash without passing a free one, and at most
// half of the cells are taken.
class PlaceIndex {
 public:
  using Place = std::uint32_t;
  static constexpr Place kNowhere = UINT32_MAX;

  // The place that was added under `hash` and for which is_it(place) holds; kNowhere if none is.
  template <class IsIt>
  [[nodiscard]] Place find(std::uint64_t hash, IsIt&& is_it) const {
    if (taken_ == 0) return kNowhere;
    for (std::size_t at = first(short_of(hash));; at = next(at)) {
      const Cell& cell = cells_[at];
      if (cell.place == kNowhere) return kNowhere;
      if (cell.hash == short_of(hash) && is_it(cell.place)) return cell.place;
    }
  }

  // Precondition: the place was not added under this hash, or was removed since.
  void add(std::uint64_t hash, Place place) {
    if (2 * (taken_ + 1) > cells_.size()) grow();
    put({short_of(hash), place});
    ++taken_;
  }

  // Precondition: the place was added under this hash.
  void remove(std::uint64_t hash, Place place) {
    std::size_t hole = find_cell(hash, place);
    --taken_;
    // What follows moves up, unless it stands between its own cell and the hole.
    for (std::size_t at = next(hole); cells_[at].place != kNowhere; at = next(at)) {
      const std::size_t wanted = first(cells_[at].hash);
      if (((at - wanted) & mask()) < ((at - hole) & mask())) continue;
      cells_[hole] = cells_[at];
      hole = at;
    }
    cells_[hole].place = kNowhere;
  }

  // Precondition: `from` was added under this hash.
  void replace(std::uint64_t hash, Place from, Place to) {
    cells_[find_cell(hash, from)].place = to;
  }

 private:
  static constexpr std::size_t kCellsMin = 16;

  struct Cell {
    std::uint32_t hash = 0;
    Place place = kNowhere;
  };

  static std::uint32_t short_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }
  [[nodiscard]] std::size_t mask() const { return cells_.size() - 1; }
  [[nodiscard]] std::size_t first(std::uint32_t hash) const { return hash & mask(); }
  [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & mask(); }

  [[nodiscard]] std::size_t find_cell(std::uint64_t hash, Place place) const {
    std::size_t at = first(short_of(hash));
    while (cells_[at].place != place) at = next(at);
    return at;
  }

  void put(Cell cell) {
    std::size_t at = first(cell.hash);
    while (cells_[at].place != kNowhere) at = next(at);
    cells_[at] = cell;
  }

  void grow() {
    std::vector<Cell> before(cells_.empty() ? kCellsMin : 2 * cells_.size());
    before.swap(cells_);
    for (const Cell& cell : before) {
      if (cell.place != kNowhere) put(cell);
    }
  }

  std::vector<Cell> cells_;  // a power of two of them, or none
  std::size_t taken_ = 0;
};

}  // namespace paxledger::engine
