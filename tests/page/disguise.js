// The fleet of the pictures is on this machine, as whoever runs the tests. In the pictures it is
// one of a shop's: what the daemon answers names no machine, user or directory of here.
const disguise = ({ hostname, user, root }) => {
const other = (text) => text
  .replaceAll(root, "/etc/loom")
  .replaceAll(`"hostname":"${hostname}"`, '"hostname":"ops1"')
  .replaceAll(`"user":"${user}"`, '"user":"deploy"')
  .replaceAll(`"who":"${user}"`, '"who":"anna"')
  .replace(/127\.0\.0\.(\d+)/g, "10.20.0.$1")
  .replace(/"port":\d+/g, '"port":22');
const real = window.fetch;
window.fetch = async (...asked) => {
  const answer = await real(...asked);
  if (!answer.headers.get("content-type")?.startsWith("application/json")) return answer;
  return new Response(other(await answer.text()), answer);
};
};
