// SPDX-License-Identifier: Apache-2.0
// The index of the store: its connections and its schema. SQL stands here and in the files named *_table.cpp, and
// nowhere else.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "base/synchronized.hpp"
#include "imagestore/sqlite.hpp"

namespace lighterd::imagestore {

// Thread-safe. One connection writes; readers have their own and see the last commit.
class MetadataDb {
 public:
  // Migrates to the newest schema; a database of a newer lighterd is kConflict. Leases of an earlier run are dropped.
  explicit MetadataDb(std::filesystem::path path);
  ~MetadataDb();

  // kThisRun: not synced by itself, for leases, which do not outlive the daemon (a later durable commit syncs it too).
  enum class Durability { kPowerLoss, kThisRun };

  // Holds the writing connection for one transaction; keep it short.
  class Write {
   public:
    Database& operator*() { return database_; }
    void commit() { transaction_.commit(); }

   private:
    friend class MetadataDb;
    Write(std::mutex& mutex, Database& database, Durability durability);
    // SQLite takes a change of synchronous only between transactions.
    class Synchronous {
     public:
      Synchronous(Database& database, Durability durability);
      ~Synchronous();
      Synchronous(const Synchronous&) = delete;
      Synchronous& operator=(const Synchronous&) = delete;

     private:
      Database& database_;
      Durability durability_;
    };
    std::unique_lock<std::mutex> lock_;
    Database& database_;
    Synchronous synchronous_;
    Transaction transaction_;
  };
  Write write(Durability durability = Durability::kPowerLoss);

  // A pooled reading connection inside one read transaction: everything read is of one moment.
  class Read {
   public:
    ~Read();
    Read(Read&&) = default;
    Database& operator*() { return *database_; }

   private:
    friend class MetadataDb;
    Read(MetadataDb& owner, std::unique_ptr<Database> database);
    MetadataDb& owner_;
    std::unique_ptr<Database> database_;
    std::unique_ptr<Transaction> transaction_;
  };
  Read read();

 private:
  std::filesystem::path path_;
  std::mutex write_mutex_;
  Database writer_;
  base::Synchronized<std::vector<std::unique_ptr<Database>>> idle_readers_;
};

}  // namespace lighterd::imagestore
