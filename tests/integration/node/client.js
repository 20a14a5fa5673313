// SPDX-License-Identifier: Apache-2.0
// One operation of dockerode: node client.js SOCKET OPERATION [ARGUMENT...]; the result is JSON on standard output.
'use strict';

const fs = require('fs');
const Docker = require('dockerode');

const [socketPath, operation, ...args] = process.argv.slice(2);
const docker = new Docker({socketPath});

function finished(stream) {
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(stream, (error, records) => (error ? reject(error) : resolve(records)));
  });
}

function written(stream, path) {
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.pipe(fs.createWriteStream(path)).on('error', reject).on('finish', () => resolve(path));
  });
}

async function lines(stream) {
  let text = '';
  for await (const piece of stream) text += piece;
  return text.split('\n').filter((line) => line).map((line) => JSON.parse(line));
}

const operations = {
  pull: async (name) => finished(await docker.pull(name)),
  list: async () => docker.listImages(),
  inspect: async (name) => docker.getImage(name).inspect(),
  tag: async (name, repo, tag) => docker.getImage(name).tag({repo, tag}),
  push: async (name, tag) => finished(await docker.getImage(name).push({tag})),
  save: async (name, path) => written(await docker.getImage(name).get(), path),
  load: async (path) => finished(await docker.loadImage(path)),
  remove: async (name) => docker.getImage(name).remove(),
  history: async (name) => docker.getImage(name).history(),
  import: async (path, repo, tag) => finished(await docker.importImage(path, {repo, tag})),
  prune: async () => docker.pruneImages(),
  events: async (since, until) => lines(await docker.getEvents({since, until})),
  search: async (term) => docker.searchImages({term}),
  login: async (serveraddress, username, password) => docker.checkAuth({serveraddress, username, password}),
};

operations[operation](...args).then(
  (result) => console.log(JSON.stringify(result === undefined ? null : result)),
  (error) => {
    console.error(JSON.stringify({status: error.statusCode, message: error.message}));
    process.exitCode = 1;
  });
