// recycle: files that are deleted are moved to a repository in the share (vfs_recycle(8)). Options: repository, directory_mode,
// subdir_mode, keeptree, versions, touch, touch_mtime, minsize, maxsize, exclude, exclude_dir, noversions.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

#include "vfs/module_options.h"
#include "vfs/modules.h"
#include "vfs/path.h"
#include "vfs/posix.h"

namespace Atoll::vfs {

namespace {

constexpr unsigned max_versions = 10000;  // of one name; then the file is deleted

// '*' and '?'. Linear in both for each star.
bool matches(std::string_view pattern, std::string_view text) {
    size_t p = 0, t = 0, star = std::string_view::npos, from = 0;
    while (t < text.size()) {
        if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            p++;
            t++;
        } else if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            from = t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') p++;
    return p == pattern.size();
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view text) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) { return matches(pattern, text); });
}

std::string real_path_of(const File& file) {
    std::array<char, PATH_MAX> path;
    const ssize_t n = ::readlink(ProcPath(file.fd.get()).text, path.data(), path.size());
    return n < 0 ? std::string() : std::string(path.data(), static_cast<size_t>(n));
}

class Recycle final : public Module {
 public:
    explicit Recycle(std::unique_ptr<Vfs> below) : Module(std::move(below)) {
        const Options& o = options();
        repository_ = expanded_text(o, "recycle:repository", ".recycle");
        while (repository_.starts_with('/')) repository_.erase(0, 1);
        while (repository_.ends_with('/')) repository_.pop_back();
        if (!is_valid_path(repository_) || repository_.empty()) repository_ = ".recycle";
        directory_mode_ = static_cast<mode_t>(option_number(o, "recycle:directory_mode", 0700, 8));
        subdir_mode_ = static_cast<mode_t>(option_number(o, "recycle:subdir_mode", directory_mode_, 8));
        keep_tree_ = option_flag(o, "recycle:keeptree", false);
        versions_ = option_flag(o, "recycle:versions", false);
        touch_ = option_flag(o, "recycle:touch", false);
        touch_write_ = option_flag(o, "recycle:touch_mtime", false);
        min_size_ = option_number(o, "recycle:minsize", 0);
        max_size_ = option_number(o, "recycle:maxsize", 0);
        exclude_ = option_list(o, "recycle:exclude");
        exclude_directories_ = option_list(o, "recycle:exclude_dir");
        no_versions_ = option_list(o, "recycle:noversions");
    }

    Result<void, int> unlink(const File& parent, const char* leaf) override {
        if (move(parent, leaf)) return {};
        return next().unlink(parent, leaf);
    }

 private:
    bool wanted(const Stat& stat, std::string_view directory, std::string_view leaf) const;
    bool move(const File& parent, const char* leaf);
    Result<File, int> open_target(const std::string& path);
    std::string free_name(const File& directory, const std::string& leaf);

    std::string repository_;
    mode_t directory_mode_ = 0700, subdir_mode_ = 0700;
    bool keep_tree_ = false, versions_ = false, touch_ = false, touch_write_ = false;
    uint64_t min_size_ = 0, max_size_ = 0;  // 0: no limit
    std::vector<std::string> exclude_, exclude_directories_, no_versions_;
};

bool Recycle::wanted(const Stat& stat, std::string_view directory, std::string_view leaf) const {
    if (stat.type() != FileType::regular || stat.links > 1) return false;
    if (stat.size < min_size_ || (max_size_ != 0 && stat.size > max_size_)) return false;
    if (directory == repository_ || directory.starts_with(repository_ + "/")) return false;
    return !any_matches(exclude_, leaf) && !any_matches(exclude_directories_, directory);
}

// The directory of the repository, made where it is not there. ENOTDIR if something else is in the way.
Result<File, int> Recycle::open_target(const std::string& path) {
    OpenHow how;
    how.directory = true;
    if (auto there = next().open(path.c_str(), how)) return there;
    const std::string above(parent_of(path)), leaf(leaf_of(path));
    auto parent = above.empty() ? next().open("", how) : open_target(above);
    if (!parent) return parent;
    const mode_t mode = path.size() <= repository_.size() ? directory_mode_ : subdir_mode_;
    if (auto made = next().mkdir(*parent, leaf.c_str(), mode); !made && made.error() != EEXIST) return made.failure();
    return next().open_at(*parent, leaf.c_str(), how);
}

// "" if there is none left.
std::string Recycle::free_name(const File& directory, const std::string& leaf) {
    if (!next().stat_at(directory, leaf.c_str())) return leaf;
    if (!versions_ || any_matches(no_versions_, leaf)) {
        (void)next().unlink(directory, leaf.c_str()).ok();
        return leaf;
    }
    for (unsigned i = 1; i <= max_versions; i++) {
        std::string copy = "Copy #" + std::to_string(i) + " of " + leaf;
        if (!next().stat_at(directory, copy.c_str())) return copy;
    }
    return {};
}

// False: it is to be deleted.
bool Recycle::move(const File& parent, const char* leaf) {
    auto stat = next().stat_at(parent, leaf);
    if (!stat) return false;
    const std::string top = real_path_of(root()), above = real_path_of(parent);
    if (top.empty() || (above != top && !above.starts_with(top + "/"))) return false;
    const std::string directory = above == top ? std::string() : above.substr(top.size() + 1);
    if (!wanted(*stat, directory, leaf)) return false;
    auto target = open_target(keep_tree_ && !directory.empty() ? repository_ + "/" + directory : repository_);
    if (!target) return false;
    const std::string name = free_name(*target, leaf);
    if (name.empty() || !next().rename(parent, leaf, *target, name.c_str(), false)) return false;
    if (!touch_ && !touch_write_) return true;
    timespec now{}, omit{};
    now.tv_nsec = UTIME_NOW;
    omit.tv_nsec = UTIME_OMIT;
    if (auto file = next().open_at(*target, name.c_str(), {})) (void)next().set_times(*file, now, touch_write_ ? now : omit).ok();
    return true;
}

}  // namespace

std::unique_ptr<Vfs> make_recycle(std::unique_ptr<Vfs> next) { return std::make_unique<Recycle>(std::move(next)); }

}  // namespace Atoll::vfs
