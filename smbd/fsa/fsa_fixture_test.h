// What the tests of this room share: a share in a temporary directory, locking.tdb in memory.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "base/loop/identity.h"
#include "smbd/fsa/fsa.h"
#include "tdb/memory/memory_database.h"

namespace Atoll::fsa {

class FsaTest : public ::testing::Test {
 protected:
    static constexpr uint32_t read_access = access::read_data | access::read_attributes;
    static constexpr uint32_t rw_access =
        access::read_data | access::write_data | access::append_data | access::read_attributes | access::write_attributes;

    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "atoll_fsa_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
        ASSERT_EQ(::chmod(root_.c_str(), 0755), 0);
        locking_ = tdb::MemoryDatabase::open({"locking", tdb::Rank::locking});
        brlock_ = tdb::MemoryDatabase::open({"brlock", tdb::Rank::brlock});
        files_ = make_process(1);
        connect();
    }
    void TearDown() override {
        loop::take_root();
        for (Open* open : opened_) (void)files_->close(*open).ok();
        share_.reset();
        files_.reset();
        std::filesystem::remove_all(root_);
    }

    std::unique_ptr<FileSystem> make_process(uint64_t pid) {
        return FileSystem::create(
            {.locking = *locking_, .brlock = *brlock_, .self = {0, pid, 0}, .holder_exists = [this](const Holder& holder) {
                 return !dead_.contains(holder.pid);
             }});
    }
    void connect(const std::string& lines = "") { share_ = make_share(*files_, lines); }
    std::unique_ptr<Share> make_share(FileSystem& files, const std::string& lines = "") {
        auto loaded = conf::load_text("[global]\n[test]\npath = " + root_ + "\nread only = no\n" + lines);
        EXPECT_TRUE(loaded) << loaded.error().message();
        auto conf = (*loaded)->find_share("test");
        ShareParams params;
        params.conf = conf;
        params.path = root_;
        params.read_only = conf->read_only;
        params.veto_files = conf->veto_files;
        params.hide_files = conf->hide_files;
        auto share = files.connect(params);
        EXPECT_TRUE(share) << share.error().message();
        return share ? std::move(*share) : nullptr;
    }

    CreateParams params(std::string_view path, uint32_t desired = read_access, Disposition disposition = Disposition::open,
                        uint32_t options = 0) {
        CreateParams p;
        p.path = path;
        p.desired_access = desired;
        p.share_access = sharing::all;
        p.disposition = static_cast<uint32_t>(disposition);
        p.options = options;
        p.open_id = ++last_id_;
        return p;
    }
    Result<CreateResult, NtStatus> create(const CreateParams& p) {
        auto r = files_->create(*share_, p);
        if (r) opened_.insert(r->open);
        return r;
    }
    // The status of a create that is closed again at once.
    NtStatus status(const CreateParams& p) {
        auto r = files_->create(*share_, p);
        if (!r) return r.error();
        return files_->close(*r->open) ? NtStatus::SUCCESS : NtStatus::UNSUCCESSFUL;
    }
    Open& open(const CreateParams& p) {
        auto r = create(p);
        EXPECT_TRUE(r) << p.path << ": " << to_string(r.error());
        return *r->open;
    }
    void close(Open& open) {
        opened_.erase(&open);
        auto r = files_->close(open);
        EXPECT_TRUE(r) << to_string(r.error());
    }

    [[nodiscard]] std::string at(const std::string& path) const { return root_ + "/" + path; }
    void write(const std::string& path, const std::string& text = "content") const { std::ofstream(at(path)) << text; }
    [[nodiscard]] bool exists(const std::string& path) const { return std::filesystem::exists(std::filesystem::symlink_status(at(path))); }
    [[nodiscard]] std::string read(const std::string& path) const {
        std::ifstream in(at(path));
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void mkdir(const std::string& path) const { std::filesystem::create_directory(at(path)); }
    static void act_as(uid_t uid) { ASSERT_TRUE(loop::take_identity({uid, uid, {}})); }

    std::string root_;
    std::unique_ptr<tdb::MemoryDatabase> locking_, brlock_;
    std::unique_ptr<FileSystem> files_;
    std::unique_ptr<Share> share_;
    std::set<Open*> opened_;
    std::set<uint64_t> dead_;
    uint64_t last_id_ = 100;
};

}  // namespace Atoll::fsa
