#include "ctdb/events/event_runner.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "ctdb/events/limits.h"

namespace Atoll::ctdb {
namespace {

using Result = EventOutcome::Result;

class Events : public testing::Test {
 protected:
    void SetUp() override {
        directory_ = testing::TempDir() + "events." + std::to_string(::getpid());
        std::filesystem::create_directories(directory_);
        make();
    }
    void TearDown() override {
        runner_.reset();
        std::filesystem::remove_all(directory_);
    }
    void make(const std::string& debug = "") {
        runner_ = std::make_unique<EventRunner>(loop_, EventSettings{directory_, debug, {"PATH=/usr/bin:/bin", "WHERE=" + directory_}});
    }
    std::string script(const std::string& name, const std::string& text, int mode = 0755) {
        const std::string path = directory_ + "/" + name;
        std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
        ::chmod(path.c_str(), static_cast<mode_t>(mode));
        return path;
    }
    void ask(const std::string& event, EventRunner::Arguments arguments = {}, int seconds = 20) {
        waiting_++;
        runner_->run(event, std::move(arguments), std::chrono::seconds(seconds), [this, event](const EventOutcome& outcome) {
            done_.emplace_back(event, outcome);
            if (--waiting_ == 0) loop_.stop();
        });
    }
    void wait() {
        if (waiting_ > 0) {
            ASSERT_TRUE(loop_.run_until(monotonic_now() + std::chrono::seconds(30)));
        }
    }
    std::string content(const std::string& name) {
        std::ifstream in(directory_ + "/" + name);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    loop::Loop loop_;
    std::string directory_;
    std::unique_ptr<EventRunner> runner_;
    std::vector<std::pair<std::string, EventOutcome>> done_;
    int waiting_ = 0;
};

TEST_F(Events, ScriptsRunInTheOrderOfTheirNamesWithTheEventsArguments) {
    script("20.b.script", "echo b $* >>$WHERE/out");
    script("10.a.script", "echo a $* >>$WHERE/out; echo said; echo complained >&2");
    script("15.off.script", "echo off >>$WHERE/out", 0644);
    script("17.other", "echo other >>$WHERE/out");
    ask("takeip", {"eth0", "10.0.0.1", "24"});
    wait();
    EXPECT_EQ(content("out"), "a takeip eth0 10.0.0.1 24\nb takeip eth0 10.0.0.1 24\n");
    const EventOutcome* last = runner_->last("takeip");
    ASSERT_NE(last, nullptr);
    ASSERT_EQ(last->scripts.size(), 3U);
    EXPECT_EQ(last->scripts[0].name, "10.a");
    EXPECT_EQ(last->scripts[0].output, "said\ncomplained\n");
    EXPECT_EQ(last->scripts[1].state, ScriptState::disabled);
    EXPECT_GT(last->scripts[2].started, 0U);
    EXPECT_EQ(runner_->last("releaseip"), nullptr);
}

TEST_F(Events, TheFirstThatFailsEndsTheEvent) {
    script("10.a.script", "exit 7");
    script("20.b.script", "touch $WHERE/out");
    ask("monitor");
    wait();
    EXPECT_EQ(done_[0].second.result, Result::failed);
    EXPECT_EQ(done_[0].second.status, 7);
    EXPECT_EQ(done_[0].second.scripts.size(), 1U);
    EXPECT_FALSE(std::filesystem::exists(directory_ + "/out"));
}

TEST_F(Events, WithoutScriptsAnEventIsDoneAtOnce) {
    ask("init");
    EXPECT_EQ(waiting_, 0);
    EXPECT_TRUE(done_[0].second.ok());
}

TEST_F(Events, AScriptThatHangsIsKilledWithItsChildrenAfterTheDebugScript) {
    const std::string debug = script("debug", "echo $2 >$WHERE/hung; kill -0 $1 && echo alive >>$WHERE/hung");
    make(debug);
    script("10.a.script", "sleep 1000 & echo $! >$WHERE/child; wait");
    ask("startup", {}, 1);
    wait();
    EXPECT_EQ(done_[0].second.result, Result::timed_out);
    EXPECT_EQ(done_[0].second.scripts[0].state, ScriptState::timed_out);
    EXPECT_EQ(content("hung"), "startup\nalive\n");
    const pid_t child = std::stoi(content("child"));
    for (int tries = 0; tries < 500 && ::kill(child, 0) == 0; tries++) ::usleep(10000);
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    const std::string state{std::istreambuf_iterator<char>(stat), {}};
    EXPECT_TRUE(state.empty() || state.find(") Z") != state.npos) << state;
}

TEST_F(Events, MonitorGivesWayToEveryOtherEvent) {
    script("10.a.script", "[ $1 != monitor ] || sleep 1000\necho $1 >>$WHERE/out");
    ask("monitor");
    ask("takeip");
    ask("ipreallocated");
    wait();
    ASSERT_EQ(done_.size(), 3U);
    EXPECT_EQ(done_[0].second.result, Result::cancelled);
    EXPECT_EQ(content("out"), "takeip\nipreallocated\n");
    EXPECT_EQ(runner_->last("monitor"), nullptr);
}

TEST_F(Events, OutputBeyondTheLimitIsThrownAwayAndWhatIsLeftBehindHoldsNothingUp) {
    script("10.a.script", "head -c 1000000 /dev/zero | tr '\\0' x; setsid sleep 3 &");
    ask("monitor");
    wait();
    EXPECT_TRUE(done_[0].second.ok());
    EXPECT_EQ(done_[0].second.scripts[0].output.size(), limits::max_script_output);
}

TEST_F(Events, WhatCannotBeStartedFails) {
    const std::string path = directory_ + "/10.a.script";
    std::ofstream(path) << "#!/no/such/interpreter\n";
    ::chmod(path.c_str(), 0755);
    ask("monitor");
    wait();
    EXPECT_EQ(done_[0].second.result, Result::failed);
}

TEST_F(Events, TheGroupOfTheRunningScriptIsTold) {
    std::vector<pid_t> told;
    runner_->observe([&](pid_t group) { told.push_back(group); });
    script("10.a.script", "exit 0");
    ask("takeip");
    wait();
    ASSERT_EQ(told.size(), 2U);
    EXPECT_GT(told[0], 1);
    EXPECT_EQ(told[1], 0);
}

}  // namespace
}  // namespace Atoll::ctdb
