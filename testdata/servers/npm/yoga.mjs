// Runs graphql-yoga behind a token check. Options: {introspection: URL, client: "id:secret"}. Without a good token a query is
// answered with 200 and an error whose code is UNAUTHENTICATED.
import http from 'node:http';
import { active, listen, options, ready } from './loopback.mjs';

const { createSchema, createYoga } = await import('graphql-yoga');
const { GraphQLError } = await import('graphql');

const yoga = createYoga({
  logging: false,
  schema: createSchema({
    typeDefs: 'type Patient { id: ID! name: String! } type Query { patient(id: ID!): Patient } type Mutation { admit(id: ID!): Patient }',
    resolvers: { Query: { patient }, Mutation: { admit: patient } },
  }),
  context: async ({ req }) => ({ caller: await active(req, options) }),
});

function patient(_, { id }, { caller }) {
  if (!caller) throw new GraphQLError('token is not active', { extensions: { code: 'UNAUTHENTICATED', http: { status: 200 } } });
  return { id, name: `read by ${caller.client_id}` };
}

ready(`${await listen(http.createServer(yoga))}/graphql`);
