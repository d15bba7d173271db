// @octokit/rest at work: issues, comments, labels, files, branches, pull requests, releases, and an error of each kind.

import "./localhost.mjs";
import { Octokit } from "@octokit/rest";
import { answerEachLine } from "./lines.mjs";
import { Player, told } from "./play.mjs";

const HERE = { owner: "ada", repo: "engine" };

function shown({ status, data, headers }) {
  return { status, data: data ?? null, headers: told(headers) };
}

function refused(error) {
  if (error.status === undefined || error.response === undefined) throw error;
  const { data, headers } = error.response;
  return { status: error.status, message: error.message, data, headers: told(headers) };
}

async function issues(play, { rest, paginate }) {
  for (let n = 0; n < 5; n++) {
    await play.step("create", () => rest.issues.create({ ...HERE, title: `Leak ${n}`, body: "Zoë & Söhne" }));
  }
  const first = { ...HERE, issue_number: 1 };
  await play.step("read", () => rest.issues.get(first));
  await play.step("update", () => rest.issues.update({ ...first, title: "Leak, again", assignees: ["ada"] }));
  await play.step("read again", () => rest.issues.get(first));
  const listed = { ...HERE, state: "all", per_page: 2 };
  await play.step("list", () => rest.issues.listForRepo(listed));
  await play.step("paginate", () => paginate(rest.issues.listForRepo, listed));
  await play.step("new label", () => rest.issues.createLabel({ ...HERE, name: "urgent", color: "ff0000" }));
  await play.step("label", () => rest.issues.addLabels({ ...first, labels: ["urgent"] }));
  await play.step("labels", () => rest.issues.listLabelsOnIssue(first));
  await play.step("unlabel", () => rest.issues.removeLabel({ ...first, name: "urgent" }));
  await play.step("delete label", () => rest.issues.deleteLabel({ ...HERE, name: "urgent" }));
  const made = await play.step("comment", () => rest.issues.createComment({ ...first, body: "A comment" }));
  const comment = { ...HERE, comment_id: made.data.id };
  await play.step("edit comment", () => rest.issues.updateComment({ ...comment, body: "Edited" }));
  await play.step("comments", () => rest.issues.listComments(first));
  await play.step("delete comment", () => rest.issues.deleteComment(comment));
  await play.step("deleted comment", () => rest.issues.getComment(comment));
  await play.step("close", () => rest.issues.update({ ...first, state: "closed" }));
}

async function files(play, { rest }) {
  const put = (path, text, more) =>
    rest.repos.createOrUpdateFileContents({
      ...HERE,
      path,
      message: "write",
      content: Buffer.from(text).toString("base64"),
      ...more,
    });
  const path = "docs/a b.md";
  const made = await play.step("create file", () => put(path, "one\n"));
  const { sha } = made.data.content;
  await play.step("read file", () => rest.repos.getContent({ ...HERE, path }));
  const last = await play.step("update file", () => put(path, "two\n", { sha }));
  await play.step("409", () => put(path, "three\n", { sha }));
  const main = (await rest.git.getRef({ ...HERE, ref: "heads/main" })).data.object.sha;
  await play.step("branch", () => rest.git.createRef({ ...HERE, ref: "refs/heads/topic", sha: main }));
  await play.step("file on it", () => put("topic.md", "topic\n", { branch: "topic" }));
  const pull = await play.step("pull", () => rest.pulls.create({ ...HERE, head: "topic", base: "main", title: "Topic" }));
  const at = { ...HERE, pull_number: pull.data.number };
  await play.step("edit pull", () => rest.pulls.update({ ...at, title: "The topic" }));
  await play.step("review", () => rest.pulls.createReview({ ...at, body: "Fine.", event: "COMMENT" }));
  await play.step("close pull", () => rest.pulls.update({ ...at, state: "closed" }));
  await play.step("delete branch", () => rest.git.deleteRef({ ...HERE, ref: "heads/topic" }));
  const removed = { ...HERE, path, message: "remove", sha: last.data.content.sha };
  await play.step("delete file", () => rest.repos.deleteFile(removed));
}

async function releases(play, octokit) {
  const { rest } = octokit;
  const made = { ...HERE, tag_name: "v1", name: "One", draft: true };
  const release = (await play.step("release", () => rest.repos.createRelease(made))).data;
  const at = { ...HERE, release_id: release.id };
  await play.step("edit release", () => rest.repos.updateRelease({ ...at, body: "The first.", draft: false }));
  // `rest.repos.uploadReleaseAsset` goes to uploads.github.com, whatever the client's base is.
  const sent = { name: "notes.txt", label: "Notes", data: "notes", headers: { "content-type": "text/plain" } };
  await play.step("upload", () => octokit.request(`POST ${release.upload_url}`, sent));
  await play.step("releases", () => rest.repos.listReleases(HERE));
  await play.step("delete release", () => rest.repos.deleteRelease(at));
  const dispatched = { ...HERE, workflow_id: "ci.yml", ref: "main" };
  await play.step("dispatch", () => rest.actions.createWorkflowDispatch(dispatched));
}

async function failures(play, { rest }) {
  await play.step("404", () => rest.issues.get({ ...HERE, issue_number: 999 }));
  await play.step("422", () => rest.issues.createLabel({ ...HERE, name: "bug", color: "not a colour" }));
  for (const status of [500, 502, 503]) {
    await play.fails(`${status} of a read`, () => rest.issues.get({ ...HERE, issue_number: 2 }), status);
  }
  for (const status of [400, 403, 410, 429]) {
    await play.fails(`${status} of a write`, () => rest.issues.create({ ...HERE, title: "never" }), status, "POST");
  }
  await play.step("after all", () => rest.issues.get({ ...HERE, issue_number: 2 }));
}

async function ours(play, { rest }) {
  await play.step("not allowed", () => rest.repos.delete(HERE));
  await play.fails("in doubt", () => rest.issues.create({ ...HERE, title: "twice" }), 500, "POST");
}

// What it asks and does not reach: the wire ends here.
async function elsewhere(play, base, key) {
  const asked = [];
  const wire = async (url, { headers }) => {
    asked.push({ url, shown: headers.authorization.endsWith(key) });
    return new Response("{}", { headers: { "content-type": "application/json" } });
  };
  const { rest } = new Octokit({ auth: key, baseUrl: base, request: { fetch: wire } });
  await rest.repos.uploadReleaseAsset({ ...HERE, release_id: 1, name: "notes.txt", data: "notes" });
  play.steps.push({ name: "elsewhere", kind: "object", answer: asked });
}

async function refusedSpellings(play, octokit, base, key) {
  const { rest } = new Octokit({ auth: key, baseUrl: `${base}/` });
  await play.step("slash", () => rest.repos.get(HERE));
  const made = { ...HERE, tag_name: "v1", name: "One" };
  const release = (await play.step("release", () => octokit.rest.repos.createRelease(made))).data;
  const sent = { name: "notes.txt", data: "notes", headers: { "content-type": "text/plain" } };
  await play.step("no label", () => octokit.request(`POST ${release.upload_url}`, sent));
}

await answerEachLine(async ({ base, key, control, name, only }) => {
  const octokit = new Octokit({ auth: key, baseUrl: base, log: { debug() {}, info() {}, warn() {}, error() {} } });
  const play = new Player(control, shown, refused);
  if (only) {
    if (only === "ours") await ours(play, octokit);
    if (only === "elsewhere") await elsewhere(play, base, key);
    if (only === "refused") await refusedSpellings(play, octokit, base, key);
    return play.played;
  }
  await play.step("who", () => octokit.rest.users.getAuthenticated());
  await play.step("repository", () => octokit.rest.repos.get(HERE));
  await issues(play, octokit);
  await files(play, octokit);
  if (name === "sandbox") await releases(play, octokit);
  await failures(play, octokit);
  return play.played;
});
