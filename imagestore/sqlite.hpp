// SPDX-License-Identifier: Apache-2.0
// SQLite behind four small objects; sqlite3.h is included in sqlite.cpp only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

struct sqlite3;
struct sqlite3_stmt;

namespace lighterd::imagestore {

// One connection, used by one thread at a time. Failures throw kInternal (kNoSpace when the disk is full).
class Database {
 public:
  enum class Mode {
    kWriter,  // creates the file; WAL, synchronous=FULL; the only one that writes and checkpoints (SQLite 3.40.1)
    kReader,  // query_only, never checkpoints
  };
  Database(const std::filesystem::path& path, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Several statements without parameters or results.
  void execute(const std::string& script);
  // Rows changed by the last statement.
  std::int64_t changes() const;

 private:
  friend class Query;
  struct Closer {
    void operator()(sqlite3* connection) const noexcept;
  };
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  sqlite3_stmt* prepared(std::string_view sql);
  [[noreturn]] void fail(std::string_view what) const;

  std::unique_ptr<sqlite3, Closer> connection_;
  // Statements live as long as the connection; the texts are those of the source code, so their number is bounded.
  std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, Finalizer>> statements_;
};

// One use of a prepared statement: bind in order, step, read columns; reset when it goes. A text may be in use once
// at a time per connection.
class Query {
 public:
  Query(Database& database, std::string_view sql);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& bind(std::string_view text);
  Query& bind(const std::string& text) { return bind(std::string_view(text)); }
  Query& bind(std::int64_t value);
  Query& bind(const std::optional<std::string>& text);
  Query& bind(const std::optional<std::int64_t>& value);

  bool step();  // whether there is a row
  void run();   // to the end

  std::string text(int column) const;  // NULL gives ""
  std::int64_t integer(int column) const;
  bool is_null(int column) const;
  std::optional<std::string> find_text(int column) const;
  std::optional<std::int64_t> find_integer(int column) const;

 private:
  Database& database_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

// Rolls back unless committed. kWrite takes the write lock at once.
class Transaction {
 public:
  enum class Kind { kRead, kWrite };
  Transaction(Database& database, Kind kind);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace lighterd::imagestore
