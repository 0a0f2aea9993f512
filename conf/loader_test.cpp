#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "base/limits.h"
#include "conf/config_lines.h"
#include "conf/configuration.h"

namespace Atoll::conf {
namespace {

using testing::HasSubstr;

using Files = std::map<std::string, std::string>;

LoadOptions with_files(Files files) {
    LoadOptions options;
    options.file = "smb.conf";
    options.macros.host_name = "machine.example.org";
    options.read_file = [files](const std::string& path) -> Result<std::string> {
        const auto file = files.find(path);
        if (file == files.end()) return fail(Code::not_found, path, "no such file");
        return file->second;
    };
    return options;
}

std::shared_ptr<const Configuration> loaded(std::string_view text, Files files = {}) {
    auto r = load_text(text, with_files(std::move(files)));
    EXPECT_TRUE(r.ok()) << (r ? "" : r.error().message());
    return r ? *r : nullptr;
}

std::string error_of(std::string_view text, Files files = {}) {
    auto r = load_text(text, with_files(std::move(files)));
    return r ? "no error" : r.error().message();
}

std::string warnings_of(std::string_view text, Files files = {}) {
    std::string out;
    const auto configuration = loaded(text, std::move(files));
    for (const Error& w : configuration->warnings()) out += w.message() + "\n";
    return out;
}

TEST(Lines, Form) {
    const auto lines = read_config_lines("# c \\\n ;d\n\n [ a  b ] x\r\n Na  me =\t v \t w \\\n  x = y\n junk\n\xEF\xBB\xBF", "f");
    ASSERT_TRUE(lines.ok());
    ASSERT_EQ(lines->size(), 4u);
    EXPECT_EQ((*lines)[0].name, " a b ");
    EXPECT_EQ((*lines)[0].number, 4u);
    EXPECT_EQ((*lines)[1].name, "Na me");
    EXPECT_EQ((*lines)[1].value, "v w x = y");
    EXPECT_EQ((*lines)[1].number, 5u);
    EXPECT_EQ((*lines)[2].what, ConfigLine::What::junk);
    EXPECT_EQ((*lines)[2].number, 7u);
}

TEST(Lines, Errors) {
    EXPECT_EQ(error_of("\n[s\npath=/a\n"), "smb.conf:2: ']' is missing after the section's name");
    EXPECT_EQ(error_of("[ ]\n"), "smb.conf:1: the section has no name");
    EXPECT_EQ(error_of("[global]\n\n = 3\n"), "smb.conf:3: the parameter's name is missing before '='");
    EXPECT_EQ(error_of(std::string_view("[global]\nworkgroup = a\0b\n", 25)), "smb.conf:2: a NUL byte in the line");
    EXPECT_EQ(error_of("[global]\nworkgroup = " + std::string(limits::max_config_line, 'x')), "smb.conf:2: line is too long");
    EXPECT_EQ(error_of(std::string(limits::max_config_file + 1, '\n')), "smb.conf: file is too large");
}

TEST(Loader, Defaults) {
    const auto c = loaded("");
    const GlobalConf& g = c->global();
    EXPECT_EQ(g.workgroup, "WORKGROUP");
    EXPECT_EQ(g.netbios_name, "MACHINE");
    EXPECT_EQ(g.server_min_protocol, Protocol::smb2_02);
    EXPECT_EQ(g.server_max_protocol, Protocol::smb3_11);
    EXPECT_EQ(g.smb_ports, (std::vector<uint16_t>{445, 139}));
    EXPECT_EQ(g.lock_directory, "/run/atoll");
    EXPECT_EQ(g.private_dir, "/var/lib/atoll/private");
    EXPECT_EQ(g.map_to_guest, MapToGuest::never);
    EXPECT_EQ(g.ntlm_auth, NtlmAuth::ntlmv2_only);
    EXPECT_EQ(g.smb2_max_read, 8388608u);
    EXPECT_EQ(g.smb2_max_credits, 8192u);
    EXPECT_EQ(g.deadtime_minutes, 10080u);
    EXPECT_EQ(g.server_smb3_encryption_algorithms,
              (std::vector<Cipher>{Cipher::aes_128_gcm, Cipher::aes_128_ccm, Cipher::aes_256_gcm, Cipher::aes_256_ccm}));
    EXPECT_EQ(g.server_smb3_signing_algorithms, (std::vector<Signing>{Signing::aes_gmac, Signing::aes_cmac, Signing::hmac_sha256}));
    EXPECT_EQ(g.passdb_backend, "tdbsam");
    EXPECT_TRUE(c->shares().empty());
    EXPECT_TRUE(c->warnings().empty());
    EXPECT_EQ(c->global().section.option("idmap config * : backend"), "tdb");
}

TEST(Loader, TypedValues) {
    const auto c = loaded(
        "[global]\nworkgroup = mygrp\nserver max protocol = SMB2\nserver min protocol = default\nlog level = 3 auth:5\nserver signing = "
        "mandatory\n"
        "smb ports = 4450\nrealm = example.org\nmax smbd processes = -1\nsmb2 max read = 1\n"
        "[s]\npath = /srv/%U\nwriteable = yes\ncreate mode = 0600\nvalid users = a \"b c\"\nveto files = /x/\ncase sensitive = yes\n"
        "smb encrypt = required\nmap readonly = perms\nposix locking = no\ncontinuous availability = yes\nfileid:algorithm = fsid\ncsc policy = programs\n");
    const GlobalConf& g = c->global();
    EXPECT_EQ(g.workgroup, "MYGRP");
    EXPECT_EQ(g.realm, "EXAMPLE.ORG");
    EXPECT_EQ(g.server_max_protocol, Protocol::smb2_10);
    EXPECT_EQ(g.server_min_protocol, Protocol::smb2_02);
    EXPECT_EQ(g.log_level_number, 3);
    EXPECT_EQ(g.server_signing, Demand::required);
    EXPECT_EQ(g.smb_ports, std::vector<uint16_t>{4450});
    EXPECT_EQ(g.max_smbd_processes, 0u);
    EXPECT_EQ(g.smb2_max_read, 65536u);
    const auto s = c->find_share("S");
    ASSERT_NE(s, nullptr);
    EXPECT_EQ(s->path, "/srv/%U");
    EXPECT_FALSE(s->read_only);
    EXPECT_EQ(s->create_mask, 0600u);
    EXPECT_EQ(s->valid_users, (Names{"a", "b c"}));
    EXPECT_EQ(s->case_sensitive, Tristate::yes);
    EXPECT_EQ(s->smb_encrypt, Demand::required);
    EXPECT_EQ(s->map_readonly, MapReadonly::permissions);
    EXPECT_TRUE(s->continuous_availability);
    EXPECT_EQ(s->csc_policy, CscPolicy::programs);
    EXPECT_EQ(s->section.option("FileID : Algorithm"), "fsid");
    EXPECT_EQ(s->section.text("writable"), "Yes");
    EXPECT_EQ(s->section.text("no such"), std::nullopt);
    EXPECT_EQ(c->find_share("t"), nullptr);
}

TEST(Loader, ErrorsNameFileAndLine) {
    EXPECT_THAT(error_of("[global]\nsmb2 leases = maybe\n"), HasSubstr("smb.conf:2: smb2 leases: 'maybe' is not yes or no"));
    EXPECT_THAT(error_of("[global]\n\ncreate mask = 999\n"), HasSubstr("smb.conf:3: create mask"));
    EXPECT_THAT(error_of("[global]\nworkgroup = a\\\n b\nmap to guest = x\n"),
                HasSubstr("smb.conf:4: map to guest: 'x' is not one of Never"));
    EXPECT_THAT(error_of("[global]\ndeadtime = soon\n"), HasSubstr("smb.conf:2: deadtime: 'soon' is not a number"));
    EXPECT_THAT(error_of("[global]\nsmb ports =\n"), HasSubstr("smb.conf:2: smb ports"));
    EXPECT_THAT(error_of("[global]\nsmb ports = 445 70000\n"), HasSubstr("'70000' is not a port"));
    EXPECT_THAT(error_of("[global]\nname resolve order = dns\n"), HasSubstr("smb.conf:2: name resolve order"));
    EXPECT_THAT(error_of("[global]\nrpc server dynamic port range = 1-2\n"), HasSubstr("smb.conf:2: rpc server"));
    EXPECT_THAT(error_of("[global]\ninclude = b.conf\n", {{"b.conf", "\n[s]\nread only = 7\n"}}), HasSubstr("b.conf:3: read only"));
    EXPECT_THAT(error_of("[global]\ncopy = s\n"), HasSubstr("smb.conf:2: copy"));
}

TEST(Loader, Warnings) {
    EXPECT_THAT(warnings_of("[global]\nunknown thing = 3\n"), HasSubstr("smb.conf:2: unknown parameter \"unknown thing\" is ignored"));
    EXPECT_THAT(warnings_of("[global]\nnonsense\n"), HasSubstr("smb.conf:2: line is ignored"));
    EXPECT_THAT(warnings_of("[s]\npath=/a\nworkgroup = x\n"), HasSubstr("smb.conf:3: global parameter \"workgroup\""));
    EXPECT_THAT(warnings_of("[global]\nlanman auth = no\n"), HasSubstr("smb.conf:2: parameter \"lanman auth\" is deprecated"));
    EXPECT_THAT(warnings_of("[s]\n"), HasSubstr("smb.conf:1: share s has no path"));
    EXPECT_THAT(warnings_of("[s]\npath=/a\n[S]\n"), HasSubstr("smb.conf:3: section [S] was there before, at smb.conf:1"));
    EXPECT_THAT(warnings_of("[global]\ninclude = none.conf\n"),
                HasSubstr("smb.conf:2: included file is not read: none.conf: no such file"));
    EXPECT_THAT(warnings_of("[global]\ndeadtime = 5 minutes\n"), HasSubstr("smb.conf:2: deadtime: only the number"));
    EXPECT_THAT(warnings_of("[global]\nserver max protocol = SMB2\nserver min protocol = SMB3\n"), HasSubstr("older"));
    EXPECT_THAT(warnings_of("[global]\nworkgroup = machine\n"), HasSubstr("workgroup and netbios name are the same"));
    std::string many = "[global]\n";
    for (size_t i = 0; i < limits::max_config_warnings + 10; i++) many += "junk\n";
    EXPECT_EQ(loaded(many)->warnings().size(), limits::max_config_warnings + 1);
    EXPECT_THAT(loaded(many)->warnings().back().text, HasSubstr("10 more"));
}

TEST(Loader, InheritedDefaults) {
    const auto c = loaded("[global]\nread only = no\n[a]\npath=/a\n[global]\nread only = yes\nguest ok = yes\n[b]\npath=/b\n");
    EXPECT_FALSE(c->find_share("a")->read_only);
    EXPECT_FALSE(c->find_share("a")->guest_ok);
    EXPECT_TRUE(c->find_share("b")->read_only);
    EXPECT_TRUE(c->find_share("b")->guest_ok);
    const auto options = loaded("[s]\npath=/a\nx:y=1\n[global]\nx:y=2\nx:z=yes\nx:n=17\n");
    const Section& s = options->find_share("s")->section;
    EXPECT_EQ(s.option("x:y"), "1");
    EXPECT_EQ(s.option("X : Z"), "yes");
    EXPECT_TRUE(s.option_boolean("x:z", false));
    EXPECT_TRUE(s.option_boolean("x:none", true));
    EXPECT_EQ(s.option_integer("x:n", 1), 17);
    EXPECT_EQ(s.option_integer("x:z", 1), 1);
}

TEST(Loader, SectionsOfOneNameAreOne) {
    const auto c = loaded("[s]\npath=/a\nx:y=1\n[ S ]\ncomment=q\n");
    ASSERT_EQ(c->shares().size(), 1u);
    EXPECT_EQ(c->shares()[0]->path, "/a");
    EXPECT_EQ(c->shares()[0]->comment, "q");
    EXPECT_EQ(c->shares()[0]->section.option("x:y"), std::nullopt);
}

TEST(Loader, Copy) {
    const auto c = loaded("[a]\npath=/a\ncomment=from a\nread only=no\nx:y=1\n[b]\npath=/b\ncopy=A\n[c]\ncopy=a\ncomment=own\n");
    EXPECT_EQ(c->find_share("b")->path, "/b");
    EXPECT_EQ(c->find_share("b")->comment, "from a");
    EXPECT_FALSE(c->find_share("b")->read_only);
    EXPECT_EQ(c->find_share("b")->section.option("x:y"), "1");
    EXPECT_EQ(c->find_share("c")->path, "/a");
    EXPECT_EQ(c->find_share("c")->comment, "own");
    EXPECT_THAT(error_of("[a]\ncopy=b\n[b]\npath=/b\n"), HasSubstr("smb.conf:2: copy: there is no section [b] above"));
    EXPECT_THAT(error_of("[a]\ncopy=a\n"), HasSubstr("cannot copy itself"));
}

TEST(Loader, Include) {
    const Files files = {{"/etc/machine.example.org.MACHINE.conf", "deadtime = 7\n[t]\npath=/t\n"}};
    const auto c = loaded("[global]\ninclude = /etc/%h.%L.conf\ncomment = after\n", files);
    EXPECT_EQ(c->global().deadtime_minutes, 7u);
    EXPECT_EQ(c->find_share("t")->comment, "after");  // the section that the included file ends in goes on
    EXPECT_EQ(c->global().section.text("include"), "/etc/machine.example.org.MACHINE.conf");
    ASSERT_EQ(c->files().size(), 2u);
    EXPECT_EQ(c->files()[1], "/etc/machine.example.org.MACHINE.conf");
    EXPECT_THAT(error_of("include = l", {{"l", "include = l\n"}}), HasSubstr("l:1: include is nested too deeply"));
    std::string wide = "[global]\n";
    for (size_t i = 0; i < limits::max_config_files; i++) wide += "include = e\n";
    EXPECT_THAT(error_of(wide, {{"e", ""}}), HasSubstr("too many files"));
}

TEST(Loader, IncludeByClient) {
    LoadOptions options = with_files({{"smb.conf", "[global]\ninclude = smb.%m.conf\n"}, {"smb.winbox.conf", "guest account = box\n"}});
    EXPECT_EQ((*load(options))->global().guest_account, "nobody");
    options.macros.client_name = "winbox";
    EXPECT_EQ((*load(options))->global().guest_account, "box");
}

TEST(Loader, ConfigFile) {
    LoadOptions options =
        with_files({{"smb.conf", "[global]\nworkgroup=one\nconfig file = other\n"}, {"other", "[global]\nworkgroup=two\n"}});
    EXPECT_EQ((*load(options))->global().workgroup, "TWO");
    options.follow_config_file = false;
    EXPECT_EQ((*load(options))->global().workgroup, "ONE");
    EXPECT_EQ((*load(with_files({{"smb.conf", "config file = none\n"}})))->global().workgroup, "WORKGROUP");
    const auto round = load(with_files({{"smb.conf", "config file = b\n"}, {"b", "config file = smb.conf\n"}}));
    ASSERT_FALSE(round.ok());
    EXPECT_THAT(round.error().text, HasSubstr("without end"));
    const auto missing = load(with_files({}));
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, Code::not_found);
}

TEST(Loader, Homes) {
    const auto c = loaded("[global]\nbrowseable = yes\n[homes]\nbrowseable = no\nread only = no\nvalid users = %S\nx:y = 1\n");
    const auto h = c->home_share({"alice", "/home/alice"});
    ASSERT_NE(h, nullptr);
    EXPECT_EQ(h->name, "alice");
    EXPECT_EQ(h->path, "/home/alice");
    EXPECT_TRUE(h->browseable);
    EXPECT_FALSE(c->find_share("homes")->browseable);
    EXPECT_TRUE(c->find_share("homes")->available);
    EXPECT_FALSE(h->read_only);
    EXPECT_EQ(h->valid_users, Names{"%S"});
    EXPECT_EQ(h->section.option("x:y"), "1");
    EXPECT_EQ(loaded("[homes]\npath = /data/%S\n")->home_share({"alice", "/home/alice"})->path, "/data/%S");
    EXPECT_EQ(loaded("[s]\npath=/s\n")->home_share({"alice", "/home/alice"}), nullptr);
}

TEST(Loader, Printers) {
    const auto c = loaded("[printers]\npath = /var/tmp\nbrowseable = yes\n");
    EXPECT_TRUE(c->find_share("printers")->printable);
    EXPECT_FALSE(c->find_share("printers")->browseable);
}

TEST(Loader, WideLinks) {
    EXPECT_FALSE(loaded("[s]\npath=/a\nwide links=yes\n")->find_share("s")->wide_links);
    EXPECT_TRUE(loaded("[global]\nunix extensions=no\n[s]\npath=/a\nwide links=yes\n")->find_share("s")->wide_links);
    EXPECT_TRUE(loaded("[s]\npath=/a\nwide links=yes\n[global]\nallow insecure wide links=yes\n")->find_share("s")->wide_links);
}

TEST(Loader, Overrides) {
    LoadOptions options =
        with_files({{"smb.conf", "[global]\nworkgroup=file\nread only=yes\n[s]\npath=/s\n[t]\npath=/t\nread only=yes\n"}});
    options.overrides = {{"workgroup", "line"}, {"guest ok", "yes"}, {"a:b", "c"}};
    const auto c = *load(options);
    EXPECT_EQ(c->global().workgroup, "LINE");
    EXPECT_TRUE(c->find_share("s")->guest_ok);
    EXPECT_EQ(c->find_share("s")->section.option("a:b"), "c");
    options.overrides = {{"no such", "1"}};
    EXPECT_FALSE(load(options).ok());
}

TEST(Loader, OldIdmapNames) {
    EXPECT_EQ(loaded("[global]\nidmap uid = 1-2\n")->global().section.option("idmap config * : range"), "1-2");
    EXPECT_EQ(loaded("[global]\nidmap backend = ad\n")->global().section.option("idmap config * : backend"), "ad");
}

TEST(Loader, SectionsAreBounded) {
    std::string text;
    for (size_t i = 0; i <= limits::max_config_sections; i++) text += "[s" + std::to_string(i) + "]\npath=/\n";
    EXPECT_THAT(error_of(text), HasSubstr("too many sections"));
}

TEST(Loader, AReloadLeavesReadersAlone) {
    Files files = {{"smb.conf", "[s]\npath=/old\n"}};
    const auto old = *load(with_files(files));
    const auto share = old->find_share("s");
    files["smb.conf"] = "[s]\npath=/new\n";
    const auto now = *load(with_files(files));
    EXPECT_EQ(share->path, "/old");
    EXPECT_EQ(now->find_share("s")->path, "/new");
}

TEST(Loader, ReadsFilesOfTheSystem) {
    char path[] = "/tmp/atoll_conf_test_XXXXXX";
    const int fd = ::mkstemp(path);
    ASSERT_GE(fd, 0);
    ::close(fd);
    std::ofstream(path) << "[s]\npath=/srv\n";
    LoadOptions options;
    options.file = path;
    const auto c = load(options);
    std::remove(path);
    ASSERT_TRUE(c.ok()) << c.error().message();
    EXPECT_EQ((*c)->find_share("s")->path, "/srv");
    EXPECT_FALSE(load(options).ok());
    options.file = "/";
    EXPECT_FALSE(load(options).ok());
}

}  // namespace
}  // namespace Atoll::conf
