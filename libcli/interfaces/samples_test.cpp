// What Debian's clients and smbd said to each other (samples/, recorded by torture/harness/record_rpc_samples.py), decoded by us and by
// Debian's ndrdump (package samba-testsuite).
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "libcli/interfaces/interfaces.h"
#include "libcli/interfaces/ndrdump_leaves.h"

namespace Atoll::interfaces {
namespace {

constexpr const char* ndrdump = "/usr/bin/ndrdump";

struct Sample {
    uint16_t opnum = 0;
    std::vector<uint8_t> request;
    bool answered = false;  // else by a fault
    std::vector<uint8_t> response;
    [[nodiscard]] std::string name() const { return "opnum " + std::to_string(opnum); }
};

std::vector<uint8_t> from_hex(const std::string& text) {
    std::vector<uint8_t> bytes;
    for (size_t i = 0; i + 1 < text.size(); i += 2) bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
    return bytes;
}

std::vector<Sample> samples_of(const idl::InterfaceType& type) {
    std::vector<Sample> all;
    std::ifstream in(std::string(ATOLL_SAMPLES) + "/" + std::string(type.name) + ".samples");
    std::string opnum, request, response;
    while (in >> opnum >> request >> response) {
        Sample sample;
        sample.opnum = static_cast<uint16_t>(std::stoi(opnum));
        if (request != "-") sample.request = from_hex(request);
        sample.answered = response != "fault";
        if (sample.answered && response != "-") sample.response = from_hex(response);
        // Functions that the specification has "not used on the wire" and Samba has all the same.
        if (type.find(sample.opnum) != nullptr) all.push_back(std::move(sample));
    }
    return all;
}

// Debian's smbd counts the referents of a response on from those of the request, so that the ids may differ, all by the same number.
bool same_but_for_referents(Bytes sample, Bytes ours) {
    if (sample.size() != ours.size()) return false;
    std::optional<uint32_t> shift;
    for (size_t i = 0; i < sample.size(); i++) {
        if (sample[i] == ours[i]) continue;
        const size_t word = i & ~size_t{3};
        if (word + 4 > sample.size()) return false;
        const uint32_t theirs = load_le<uint32_t>(sample.data() + word), mine = load_le<uint32_t>(ours.data() + word);
        if (theirs >> 16 != 2 || mine >> 16 != 2 || (shift && *shift != theirs - mine)) return false;
        shift = theirs - mine;
        i = word + 3;
    }
    return true;
}

class Scratch {
 public:
    Scratch() { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
    ~Scratch() {
        for (const char* name : {"/request", "/response"}) ::unlink((directory() + name).c_str());
        ::rmdir(directory().c_str());
    }
    [[nodiscard]] std::string write(const char* name, Bytes bytes) const {
        const std::string path = directory() + "/" + name;
        std::ofstream(path, std::ios::binary) << as_text(bytes);
        return path;
    }

 private:
    [[nodiscard]] std::string directory() const { return path_.data(); }
    std::array<char, 32> path_ = {"/tmp/atoll-ndrdump-XXXXXX"};
};

struct Dump {
    bool ok = false;
    std::string text;
};

Dump run_ndrdump(const idl::InterfaceType& type, const Sample& sample, const char* options) {
    const Scratch scratch;
    const std::string request = scratch.write("request", sample.request);
    std::string command = std::string(ndrdump) + " " + options + " ";
    const std::string function = std::string(type.name) + " " + std::to_string(sample.opnum);
    if (sample.answered)
        command += "-c " + request + " " + function + " out " + scratch.write("response", sample.response);
    else
        command += function + " in " + request;
    Dump dump;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    if (pipe == nullptr) return dump;
    std::array<char, 4096> buffer{};
    for (size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) dump.text.append(buffer.data(), n);
    dump.ok = ::pclose(pipe) == 0;
    return dump;
}

Result<std::string> our_json(const idl::FunctionType& function, const Sample& sample, idl::StubFormat format) {
    if (!sample.answered) return function.print_request(sample.request, format, idl::Printer::Form::json);
    return function.print_response(sample.request, sample.response, format, idl::Printer::Form::json);
}

Sample request_of(const Sample& sample) { return {sample.opnum, sample.request, false, {}}; }

class Samples : public ::testing::TestWithParam<const idl::InterfaceType*> {
 protected:
    const idl::InterfaceType& type = *GetParam();
    const std::vector<Sample> samples = samples_of(type);
};

TEST_P(Samples, AreThere) { EXPECT_GE(samples.size(), type.name == "srvsvc" ? 60u : 15u); }

TEST_P(Samples, EncodeToTheSameBytesAgain) {
    for (const Sample& sample : samples) {
        const idl::FunctionType& function = *type.find(sample.opnum);
        Buffer request, response;
        const auto r = function.again_request(sample.request, {}, idl::Syntax::ndr, request);
        ASSERT_TRUE(r.ok()) << sample.name() << ": " << r.error().message();
        EXPECT_TRUE(same_but_for_referents(sample.request, request)) << sample.name() << " request";
        if (!sample.answered) continue;
        const auto a = function.again_response(sample.request, sample.response, {}, idl::Syntax::ndr, response);
        ASSERT_TRUE(a.ok()) << sample.name() << ": " << a.error().message();
        EXPECT_TRUE(same_but_for_referents(sample.response, response)) << sample.name() << " response";
    }
}

void compare(const idl::InterfaceType& type, const Sample& sample, idl::Syntax syntax) {
    const Dump dump = run_ndrdump(type, sample, syntax == idl::Syntax::ndr64 ? "--ndr64" : "");
    ASSERT_TRUE(dump.ok) << sample.name() << "\n" << dump.text;
    EXPECT_EQ(dump.text.find("unread bytes"), std::string::npos) << sample.name() << "\n" << dump.text;
    const auto json = our_json(*type.find(sample.opnum), sample, {syntax, false});
    ASSERT_TRUE(json.ok()) << sample.name() << ": " << json.error().message();
    EXPECT_EQ(leaves_of_json(nlohmann::ordered_json::parse(*json)), leaves_of_ndrdump(dump.text)) << sample.name() << "\n"
                                                                                                  << dump.text << *json;
}

TEST_P(Samples, HaveTheValuesThatNdrdumpPrints) {
    if (::access(ndrdump, X_OK) != 0) GTEST_SKIP() << ndrdump << " is not installed";
    for (const Sample& sample : samples) {
        compare(type, request_of(sample), idl::Syntax::ndr);
        if (sample.answered) compare(type, sample, idl::Syntax::ndr);
    }
}

// Nothing in Debian speaks NDR64, but ndrdump reads it: all but the varying string of DISK_INFO (opnum 23), whose offset and count it takes
// for 32 bits, where MS-RPCE 2.2.5.3.3.1 has 64.
TEST_P(Samples, HaveTheValuesThatNdrdumpPrintsInNdr64) {
    if (::access(ndrdump, X_OK) != 0) GTEST_SKIP() << ndrdump << " is not installed";
    for (const Sample& sample : samples) {
        const idl::FunctionType& function = *type.find(sample.opnum);
        Buffer request, response;
        ASSERT_TRUE(function.again_request(sample.request, {}, idl::Syntax::ndr64, request).ok());
        Sample wide = {sample.opnum, {request.data(), request.data() + request.size()}, false, {}};
        compare(type, wide, idl::Syntax::ndr64);
        if (!sample.answered || sample.opnum == srvsvc::NetrServerDiskEnum::opnum) continue;
        ASSERT_TRUE(function.again_response(sample.request, sample.response, {}, idl::Syntax::ndr64, response).ok());
        wide.answered = true;
        wide.response.assign(response.data(), response.data() + response.size());
        compare(type, wide, idl::Syntax::ndr64);
    }
}

INSTANTIATE_TEST_SUITE_P(Interfaces, Samples, ::testing::ValuesIn(all_interfaces()),
                         [](const auto& param) { return std::string(param.param->name); });

}  // namespace
}  // namespace Atoll::interfaces
