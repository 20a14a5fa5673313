// SPDX-License-Identifier: Apache-2.0
#include "imagestore/sqlite.hpp"

#include <sqlite3.h>

#include "base/error.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

void Database::Closer::operator()(sqlite3* connection) const noexcept {
  sqlite3_close_v2(connection);
}
void Database::Finalizer::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

Database::Database(const std::filesystem::path& path, Mode mode) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (mode == Mode::kWriter ? SQLITE_OPEN_CREATE : 0);
  sqlite3* connection = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &connection, flags, nullptr);
  connection_.reset(connection);  // also a failed open returns a handle to close
  if (result != SQLITE_OK) throw Error(ErrorCode::kInternal, "open " + path.string() + ": " + sqlite3_errstr(result));
  sqlite3_busy_timeout(connection, 5000);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  execute("PRAGMA trusted_schema=OFF; PRAGMA foreign_keys=ON; PRAGMA cache_size=-1024;");
  if (mode == Mode::kWriter) {
    execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
  } else {
    execute("PRAGMA query_only=ON; PRAGMA wal_autocheckpoint=0;");
    // The last connection to close would checkpoint; that is the writer's alone.
    sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
}

Database::~Database() = default;

void Database::fail(std::string_view what) const {
  const int code = sqlite3_extended_errcode(connection_.get());
  throw Error((code & 0xFF) == SQLITE_FULL ? ErrorCode::kNoSpace : ErrorCode::kInternal,
              "image index: " + std::string(what) + ": " + sqlite3_errmsg(connection_.get()));
}

void Database::execute(const std::string& script) {
  if (sqlite3_exec(connection_.get(), script.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail("execute");
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(connection_.get());
}

sqlite3_stmt* Database::prepared(std::string_view sql) {
  auto& slot = statements_[std::string(sql)];
  if (!slot) {
    sqlite3_stmt* statement = nullptr;
    const int result = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                          SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    slot.reset(statement);
    if (result != SQLITE_OK) fail(sql);
  }
  return slot.get();
}

Query::Query(Database& database, std::string_view sql) : database_(database), statement_(database.prepared(sql)) {}

Query::~Query() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Query& Query::bind(std::string_view text) {
  const char* data = text.data() != nullptr ? text.data() : "";
  if (sqlite3_bind_text64(statement_, ++bound_, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8) != SQLITE_OK)
    database_.fail("bind");
  return *this;
}

Query& Query::bind(std::int64_t value) {
  if (sqlite3_bind_int64(statement_, ++bound_, value) != SQLITE_OK) database_.fail("bind");
  return *this;
}

Query& Query::bind(const std::optional<std::string>& text) {
  if (text) return bind(std::string_view(*text));
  ++bound_;
  return *this;
}

Query& Query::bind(const std::optional<std::int64_t>& value) {
  if (value) return bind(*value);
  ++bound_;
  return *this;
}

bool Query::step() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      database_.fail(sqlite3_sql(statement_));
  }
}

void Query::run() {
  while (step()) {
  }
}

std::string Query::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return data == nullptr ? std::string()
                         : std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

std::int64_t Query::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

bool Query::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::optional<std::string> Query::find_text(int column) const {
  if (is_null(column)) return std::nullopt;
  return text(column);
}

std::optional<std::int64_t> Query::find_integer(int column) const {
  if (is_null(column)) return std::nullopt;
  return integer(column);
}

Transaction::Transaction(Database& database, Kind kind) : database_(database) {
  Query(database, kind == Kind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN").run();
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    Query(database_, "ROLLBACK").run();
  } catch (const Error&) {  // SQLite has rolled back by itself already
  }
}

void Transaction::commit() {
  Query(database_, "COMMIT").run();
  open_ = false;
}

}  // namespace lighterd::imagestore
